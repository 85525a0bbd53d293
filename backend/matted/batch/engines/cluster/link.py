"""The connection to a cluster's scheduler, which may be lost and come back."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from matted.errors import ClusterError

ANSWER = 10.0
"""Seconds in which a scheduler that runs must have answered."""

_UNREACHABLE = (OSError, asyncio.TimeoutError, ValueError, TypeError, RuntimeError, ImportError)
"""What Dask raises where a scheduler is not there, or its address, file, TLS or version is not what it takes."""

LOG = logging.getLogger(__name__)


class Link:
    """A connection to one scheduler, made again whenever it is asked for.

    Args:
        where: ``tcp://host:8786``, ``tls://host:8786``, or the path of a scheduler file.
        security: of a cluster of our own; None takes what Dask is configured with.
        topics: what to listen to, and who hears it, on a thread of the connection's.
    """

    def __init__(self, where: str, *, security: Any, topics: Mapping[str, Callable[[Any], None]]) -> None:
        self.where = where
        self.client: Any = None
        self._security = security
        self._topics = topics

    @property
    def whole(self) -> bool:
        """Whether the scheduler is there, as far as we know."""
        return self.client is not None and self.client.status == "running"

    def open(self, timeout: float = ANSWER) -> None:
        """Connect, and listen.

        Raises:
            ClusterError: cluster_missing.
        """
        client_class = distributed().Client
        client = client_class.__new__(client_class)
        try:
            address = _address(self.where)
            client.__init__(address, timeout=timeout, security=self._security, set_as_default=False)
        except _UNREACHABLE as error:
            with suppress(Exception):  # it holds a thread, and would be closed only when Python ends, which takes long
                client.close(timeout=timeout)
            raise ClusterError(
                "cluster_missing",
                f"No scheduler of Dask answers at {self.where}: {error}.",
                hint="Start one with 'dask scheduler', or check the address, the network and the TLS settings.",
            ) from error
        for topic, hear in self._topics.items():
            client.subscribe_topic(topic, hear)
        self.client = client

    def close(self) -> None:
        """Let go; what nobody else asked for is cancelled by the scheduler."""
        client, self.client = self.client, None
        if client is not None:
            client.close(timeout=ANSWER)

    def workers(self) -> dict[str, dict[str, float]]:
        """Every worker's address, and the resources it declares.

        Raises:
            OSError: the scheduler does not answer.
        """
        client = self.client
        try:
            known = client.sync(client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER / 2)
        except asyncio.TimeoutError as error:  # no OSError before Python 3.11
            raise OSError(f"{self.where} does not answer") from error
        return {address: dict(worker["resources"]) for address, worker in known["workers"].items()}

    def ask(
        self,
        function: Callable[..., Any],
        then: Callable[[dict[str, Any]], None],
        *,
        workers: list[str] | None,
        **given: Any,
    ) -> None:
        """Have workers call a function, each while it works.

        Args:
            function: called with ``given``, and with ``dask_worker`` if it takes it.
            then: called with what each said, by address, on another thread; with nothing when they could not be asked.
            workers: their addresses; None asks all.
        """
        client = self.client

        def ask() -> None:
            said: dict[str, Any] = {}
            try:
                said = client.run(function, workers=workers, on_error="return", **given)
            except Exception:  # a worker that has just gone; a lost scheduler is noticed elsewhere
                LOG.debug("asking workers", exc_info=True)
            then(said)

        threading.Thread(target=ask, daemon=True).start()


def gone_for_good(where: str, patience: float) -> ClusterError:
    """The error of a scheduler that was lost and did not come back."""
    message = f"The scheduler {where} was lost and did not come back within {patience:.0f} s."
    hint = "Start it again, then run the same command again: it goes on from here."
    return ClusterError("cluster_lost", message, hint=hint)


def distributed() -> Any:
    """Dask.distributed.

    Raises:
        ClusterError: cluster_missing when it is not installed.
    """
    try:
        import distributed
    except ImportError as error:
        raise ClusterError(
            "cluster_missing", "Dask.distributed is not installed.", hint="Run: python install.py --with cluster."
        ) from error
    return distributed


@contextmanager
def quiet() -> Iterator[None]:
    """Within, what Dask logs goes to this module's log as details: a person hears of it in our words.

    So does its warning of other versions: ours are looked at when workers are met.
    """
    other_versions = distributed().versions.VersionMismatchWarning
    loud = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.split(".")[0] in _LOUD]
    before = [(logger, logger.handlers[:], logger.propagate) for logger in loud if logger.handlers]
    for logger, _, _ in before:
        logger.handlers[:], logger.propagate = [_Detail()], False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", other_versions)
            yield
    finally:
        for logger, handlers, propagate in before:
            logger.handlers[:], logger.propagate = handlers, propagate


_LOUD = ("distributed", "tornado")


class _Detail(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        LOG.debug("%s: %s", record.name, record.getMessage(), exc_info=record.exc_info)


def _address(where: str) -> str:
    """The scheduler's address, read anew: a scheduler that starts again may have another one in its file.

    Raises:
        OSError, ValueError: the scheduler file is not there yet, or is damaged.
    """
    if "://" in where:
        return where
    try:
        return str(json.loads(Path(where).read_text())["address"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{where} is no scheduler file") from error
