"""A scheduler and workers of Dask, in processes of their own that may be killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

UNLUCKY = Path(__file__).with_name("unlucky_worker.py")
WAIT = 90.0


class DaskProcesses:
    """Started in ``folder``; what they say is in ``*.log`` there.

    Attributes:
        address: the scheduler's; the same one again after a restart.
        luck: the folder whose files bring bad luck, see ``unlucky_worker``.
    """

    def __init__(self, folder, port):
        self.folder = folder
        self.luck = folder / "luck"
        self.luck.mkdir(parents=True)
        self.address = f"tcp://127.0.0.1:{port}"
        self._port = port
        self._processes = []
        self._scheduler = None
        self._logs = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self._processes):
            process.terminate()
        for process in reversed(self._processes):
            try:
                process.wait(WAIT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def scheduler(self):
        """Start a scheduler, on a machine without matted as it were."""
        where = [
            "--host",
            "127.0.0.1",
            "--port",
            str(self._port),
            "--dashboard-address",
            "127.0.0.1:0",
            "--no-dashboard",
        ]
        without = "import sys; sys.modules['matted'] = None; from distributed.cli.dask_scheduler import main; main()"
        self._scheduler = self._start("scheduler", "-c", without, *where)
        self._scheduler_log = self._logs[-1]

    def kill_scheduler(self):
        """Kill it."""
        self._processes.remove(self._scheduler)
        self._scheduler.kill()
        self._scheduler.wait()

    def worker(self, name, **env):
        """Start a worker, and a nanny that starts another one when it dies."""
        how = ["--nthreads", "1", "--no-dashboard", "--memory-limit", "0", "--name", name]
        where = ["--host", "127.0.0.1", "--local-directory", str(self.folder / name)]
        luck = {"DASK_DISTRIBUTED__WORKER__PRELOAD": str(UNLUCKY), "UNLUCKY": str(self.luck)}
        self._start("worker", "-m", "distributed.cli.dask_worker", self.address, *how, *where, **luck, **env)

    def wait_for_workers(self, count):
        """Wait until so many workers have come to the scheduler that runs."""
        wait_for(lambda: self._scheduler_log.read_text().count("Starting worker compute stream") >= count)

    def kill_who_holds(self, moment):
        """Wait until a worker holds at ``moment``, and kill it."""
        (held,) = wait_for(lambda: list(self.luck.glob(f"held-{moment}-*")))
        os.kill(int(held.name.rsplit("-")[-1]), signal.SIGKILL)

    def _start(self, what, *options, **env):
        self._logs.append(self.folder / f"{what}{len(self._logs)}.log")
        with self._logs[-1].open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *options],
                env={**os.environ, "OMP_NUM_THREADS": "1", "DASK_TEMPORARY_DIRECTORY": str(self.folder), **env}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._processes.append(process)
        return process


def wait_for(find):
    """What ``find`` finds, once it finds something."""
    end = time.monotonic() + WAIT
    while not (found := find()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return found
