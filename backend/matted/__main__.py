"""``python -m matted`` is the command line."""

from matted.cli import main

main()
