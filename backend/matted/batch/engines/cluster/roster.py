"""The workers of a cluster, and which of them a piece may go to."""

from __future__ import annotations

from collections.abc import Mapping, Set

from matted.errors import ClusterError

GPU = "GPU"
"""The resource that a worker with a GPU declares."""


class Roster:
    """Who works on the cluster.

    Attributes:
        known: every worker's address, and the resources it declares; None while nobody has been asked.
        refused: workers that are not to be used, and why.
    """

    known: Mapping[str, Mapping[str, float]] | None
    refused: dict[str, ClusterError]

    def __init__(self) -> None:
        self.known = None
        self.refused = {}

    @property
    def needs(self) -> dict[str, float] | None:
        """The resources a piece asks for: a GPU where any worker has one, else nothing."""
        return {GPU: 1} if any(GPU in has for has in (self.known or {}).values()) else None

    def choose(self, avoid: Set[str]) -> tuple[str, ...] | None:
        """The workers a piece may go to; None for any.

        Args:
            avoid: those that are taken only where there is no other.

        Raises:
            ClusterError: worker_refused when no worker may be used.
        """
        known, needs = self.known or {}, self.needs
        fit = [address for address, has in known.items() if not needs or GPU in has]
        able = [address for address in fit if address not in self.refused]
        if fit and not able:
            raise self.refused[fit[0]]
        good = [address for address in able if address not in avoid] or able
        return None if len(good) == len(fit) else tuple(sorted(good))


def unlike(address: str, theirs: Mapping[str, str], ours: Mapping[str, str]) -> ClusterError:
    """The error of a worker with other versions than those where the batch was started."""
    what = ", ".join(
        f"{name} {theirs.get(name)} instead of {ours[name]}" for name in ours if theirs.get(name) != ours[name]
    )
    return ClusterError(
        "worker_refused",
        f"The worker {address} has {what}; its mattes could differ.",
        hint="Install the same versions on every machine of the cluster, and restart the worker.",
    )


def without_matted(worker: str, error: object) -> ClusterError:
    """The error of a worker that has no matted."""
    message = f"The worker {worker} cannot run matted: {error}."
    hint = "Install the matted that started the batch where that worker runs, and restart the worker."
    return ClusterError("worker_refused", message, hint=hint)


def no_worker(where: str, patience: float) -> ClusterError:
    """The error of a cluster to which no worker comes."""
    message = f"The cluster {where} has had no worker for {patience:.0f} s."
    return ClusterError("worker_missing", message, hint="Start workers with 'dask worker', and run this again.")
