"""``nuke -t`` of the stand-in Nuke, for any Python: ``python nuke_terminal.py VERSION EDITION SCRIPT [ARGUMENTS]``.

The exit code is the script's, or 70 when it left something in the session; stderr says what.
"""

import runpy
import sys

from fakes.nuke import Nuke


def left(host):
    """What a script that cleans up does not leave, in words."""
    nodes = host.artist.nodes()
    return [
        *(f"the node {name}" for name in nodes),
        *(["a modified script"] if host.is_modified else []),
        *(f"the message {text}" for text in [*host.messages, *host.asked]),
        *(f"a callback of {name}" for name, calls in host.callbacks.items() if calls),
        *map(repr, host.refused),
        *host.errors_in_callbacks,
    ]


def run(version, edition, words):
    """Run a script as Nuke does, as ``__main__``; returns its exit code."""
    with Nuke(version=version, edition=edition, gui=False) as host:
        host.startup()
        sys.argv = words
        code = 0
        try:
            runpy.run_path(words[0], run_name="__main__")
        except SystemExit as leaving:
            code = leaving.code
        found = left(host)
        host.refused.clear()
    print("\n".join(found), end="", file=sys.stderr)
    return 70 if found else code


if __name__ == "__main__":
    sys.exit(run(tuple(map(int, sys.argv[1].split("."))), sys.argv[2], sys.argv[3:]))
