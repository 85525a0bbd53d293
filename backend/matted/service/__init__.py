"""The daemon: one thread owns the socket, one each device, a few the disk; shots and jobs lie in files and SQLite."""
