"""Shots made on a cluster of Dask.distributed: one that runs already, or one of our own on this machine."""

from matted.batch.engines.cluster.engine import Cluster

__all__ = ["Cluster"]
