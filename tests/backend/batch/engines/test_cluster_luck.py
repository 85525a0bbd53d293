"""The cluster engine in bad luck, with real processes: whatever is lost, the files are those of one process."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from fakes.dask_processes import DaskProcesses, wait_for
from fakes.drawn_shot import write_masks, write_plate
from matted.batch.engines import Failed, Made, Said, Step
from matted.batch.engines.cluster import Cluster
from matted.batch.job import run
from matted.batch.keyframes import MaskSource
from matted.batch.ledger import read_sidecar
from matted.batch.request import Request
from matted.media.matte import read_matte
from matted.weights import default_folder, identify

pytestmark = pytest.mark.slow

WAIT = 90


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    write_plate(folder / "plate")
    write_masks(folder / "red", (1001, 1008, 1016))
    return folder


@pytest.fixture(scope="module")
def alone(drawn):
    """Every file that one process makes of the shot, by name."""
    asked = request(drawn, drawn / "alone")
    return files(run(asked.job(identify("lite", folder=default_folder()))).folder)


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with DaskProcesses(tmp_path_factory.mktemp("dask"), port) as processes:
        processes.scheduler()
        processes.worker("one")
        processes.worker("two", UNLUCKY_DISK="full")
        processes.wait_for_workers(2)
        yield processes


def request(drawn, out, name="shot"):
    return Request(str(drawn / "plate" / "plate.####.png"), (MaskSource(drawn / "red", "red"),), out, name=name)


def files(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def follow(engine, *shots, meanwhile=lambda told: None):
    """Everything told until the shots have ended, and what each ended with."""
    told, ends, end = [], {}, time.monotonic() + WAIT
    while len(ends) < len(shots):
        assert time.monotonic() < end, told
        told += engine.news(0.1)
        ends = {news.shot: news for news in told if isinstance(news, Made | Failed)}
        meanwhile(told)
    return told, ends


def assert_whole(folder):
    """Nothing that has the name of a matte is half-written, and no sidecar says done too early."""
    for path in folder.rglob("[!.]*.exr"):
        assert read_matte(path).shape == (64, 96)
    assert read_sidecar(folder).get("state") in ("queued", "running", "done")


@pytest.mark.parametrize("moment", ["begin", "middle", "finish"])
def test_when_a_worker_is_killed_then_no_frame_is_lost_and_no_bit_is_another(tmp_path, drawn, alone, processes, moment):
    (processes.luck / f"hold-{moment}").touch()
    with Cluster.at(processes.address) as engine:
        engine.submit(request(drawn, tmp_path / "out"))
        killed = []

        def kill(told):
            if not killed and list(processes.luck.glob(f"held-{moment}-*")):
                assert_whole(tmp_path / "out" / "v001")
                assert read_sidecar(tmp_path / "out" / "v001")["state"] != "done"
                killed.append(processes.kill_who_holds(moment))

        told, ends = follow(engine, "shot", meanwhile=kill)

    assert killed and isinstance(ends["shot"], Made), ends
    assert files(tmp_path / "out" / "v001") == alone
    is_told = any("was lost" in news.text for news in told if isinstance(news, Said))
    assert is_told or moment == "begin"  # killed before it has told that it began, nobody knows what it was at
    done = [news.done for news in told if isinstance(news, Step)]
    assert done == sorted(done)


def test_when_the_disk_of_one_worker_is_full_then_another_one_makes_the_frames(tmp_path, drawn, alone, processes):
    with Cluster.at(processes.address) as engine:
        wait_for(lambda: len(engine._link.workers()) == 2)
        for number in range(3):
            engine.submit(request(drawn, tmp_path / "full" / str(number), f"shot{number}"))
        told, ends = follow(engine, "shot0", "shot1", "shot2")

    assert {type(end) for end in ends.values()} == {Made}, ends
    for number in range(3):
        assert files(tmp_path / "full" / str(number) / "v001") == alone
    assert any("disk" in news.text and "tried elsewhere" in news.text for news in told if isinstance(news, Said))


def test_when_the_scheduler_is_killed_and_comes_back_then_what_is_not_done_goes_on(tmp_path, drawn, alone, processes):
    (processes.luck / "hold-middle").touch()
    with Cluster.at(processes.address) as engine:
        for name in ("one", "two"):
            engine.submit(request(drawn, tmp_path / name, name))
        wait_for(lambda: engine.news(0.1) and list(processes.luck.glob("held-middle-*")))
        processes.kill_scheduler()
        (processes.luck / "release").touch()
        told = []
        wait_for(
            lambda: told.extend(engine.news(0.1)) or any("was lost" in n.text for n in told if isinstance(n, Said))
        )
        processes.scheduler()
        processes.worker("three")  # a worker ends with its scheduler
        told, ends = follow(engine, "one", "two")

    assert {type(end) for end in ends.values()} == {Made}, ends
    for name in ("one", "two"):
        assert files(tmp_path / name / "v001") == alone


def test_when_the_cluster_is_our_own_then_files_are_the_same_and_it_leaves_nothing_behind(
    tmp_path, drawn, alone, monkeypatch
):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    before = dict(os.environ)
    with Cluster.here(2) as engine:
        client = engine._link.client
        workers = client.run(os.getpid)
        threads = client.run(lambda: __import__("torch").get_num_threads())
        engine.submit(request(drawn, tmp_path / "out"))
        follow(engine, "shot")

    assert files(tmp_path / "out" / "v001") == alone
    assert len(workers) == 2 and set(threads.values()) == {1}
    assert all(address.startswith("tls://127.0.0.1:") for address in workers)
    assert not any(running(pid) for pid in workers.values())
    assert list((tmp_path / "tmp").iterdir()) == [] and dict(os.environ) == before


def running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]


PROGRAM = """
    import sys
    from pathlib import Path
    from matted.batch.engines.cluster import Cluster
    from matted.batch.request import Request
    from matted.console import interruptible

    if __name__ == "__main__":
        with Cluster.here(1) as engine, interruptible() as stopped:
            print(*engine._link.client.run(__import__("os").getpid).values(), flush=True)
            while True:
                engine.news(0.1)
                if stopped():
                    engine.stop()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX's")
@pytest.mark.parametrize("signals", [[signal.SIGINT, signal.SIGINT], [signal.SIGKILL]], ids=["ctrl-c twice", "killed"])
def test_when_the_program_is_ended_then_no_worker_stays_behind(tmp_path, signals):
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    process = subprocess.Popen(
        [sys.executable, tmp_path / "program.py"],
        start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    worker = int(process.stdout.readline())
    for number in signals:
        if number == signal.SIGINT:
            os.killpg(process.pid, number)  # as a terminal does: the workers hear of it too
            time.sleep(0.3)
        else:
            process.kill()
    said = process.communicate(timeout=WAIT)[1]

    wait_for(lambda: not running(worker))
    assert "distributed" not in said.replace("matted/batch", ""), said
