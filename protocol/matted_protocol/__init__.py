"""The wire protocol of matted and its client: Python 3.9, pyzmq and msgpack, nothing else."""
