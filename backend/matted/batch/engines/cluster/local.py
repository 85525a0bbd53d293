"""A cluster of our own on this machine: a process a worker, on the loopback, encrypted, gone when it is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

import torch

from matted.batch.engines.cluster.link import distributed
from matted.errors import ClusterError, SettingError


@contextmanager
def own_cluster(workers: int, device: str | None) -> Iterator[tuple[str, Any]]:
    """Start a scheduler and ``workers`` workers; yields the address and what a client needs to be let in.

    Nobody else on this machine can have the workers run anything: they take what bears a key made for this cluster.

    Args:
        workers: how many processes, from 1.
        device: where networks run; with several GPUs and none chosen, worker ``i`` has GPU ``i % count`` for itself.

    Raises:
        SettingError: bad_setting when ``workers`` is below 1.
        ClusterError: cluster_missing when Dask is not installed, worker_failed when the workers do not start.
    """
    if workers < 1:
        raise SettingError("bad_setting", f"{workers} workers cannot make anything.", hint="Ask for one or more.")
    dask_distributed, security = distributed(), _key()
    before = os.environ.copy()
    with TemporaryDirectory(prefix="matted-cluster-", ignore_cleanup_errors=True) as folder:
        try:
            with _configured(workers, folder), _started(dask_distributed, workers, device, security, folder) as cluster:
                yield cluster.scheduler_address, security
        finally:
            for name in os.environ.keys() - before.keys():  # Dask leaves the workers' settings in our own
                del os.environ[name]


@contextmanager
def _started(distributed: Any, workers: int, device: str | None, security: Any, folder: str) -> Iterator[Any]:
    ours = {"protocol": "tls", "security": security, "host": "127.0.0.1", "dashboard": False}
    ours["dashboard_address"] = "127.0.0.1:0"
    options = {**ours, "nthreads": 1, "memory_limit": 0, "local_directory": folder, "preload": [__name__]}
    gpus = torch.cuda.device_count() if device in (None, "cuda") else 0
    specs = {index: {"cls": distributed.Nanny, "options": options | _gpu(index, gpus)} for index in range(workers)}
    scheduler = {"cls": distributed.Scheduler, "options": {**ours, "port": 0}}
    try:
        cluster = distributed.SpecCluster(
            workers=specs, scheduler=scheduler, security=security, silence_logs=False, name="matted"
        )
    except (OSError, RuntimeError) as error:
        raise ClusterError(
            "worker_failed",
            f"The {workers} workers on this machine do not start: {error}.",
            hint="Try fewer workers, or make the shots without --workers.",
        ) from error
    with cluster:
        yield cluster


def _gpu(index: int, count: int) -> dict[str, Any]:
    if not count:
        return {}
    return {"env": {"CUDA_VISIBLE_DEVICES": str(index % count)}, "resources": {"GPU": 1}}


def _configured(workers: int, folder: str) -> Any:
    """Dask's settings for the time being: the machine's cores shared out, no pages served, workers that say nothing."""
    import dask

    spawned = {  # and no number of threads for MKL: another one than OpenMP's makes other last bits
        "OMP_NUM_THREADS": max(1, (os.cpu_count() or 1) // workers),
        "MALLOC_TRIM_THRESHOLD_": 65536,
        "DASK_LOGGING__DISTRIBUTED": "critical",
    }
    return dask.config.set(
        {
            "temporary-directory": folder,
            "distributed.nanny.pre-spawn-environ": spawned,
            "distributed.scheduler.http.routes": [],
            "distributed.worker.http.routes": [],
        }
    )


def dask_setup(worker: Any) -> None:
    """What a worker of ours does when it starts: Ctrl-C is for whoever runs the batch, who then asks it to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _key() -> Any:
    """Key and certificate that live as long as the cluster, in memory alone."""
    try:
        return distributed().Security.temporary()
    except ImportError as error:
        raise ClusterError(
            "cluster_missing",
            "The package cryptography is not installed, and workers run only what bears a key.",
            hint="Run: python install.py --with cluster.",
        ) from error
