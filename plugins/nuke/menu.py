"""What Nuke runs when it has a window: it makes the menu, and never stops Nuke from starting.

An exception here would ("Error interpreting this plugin", as users of other plug-ins report), so all of them end in one
menu item that tells the reason. Every Python can read it: an older Nuke may share this folder.
"""

import os
import sys
import tempfile
import time
import traceback


def _matted():
    import nuke

    def add_menus():
        here = globals().get("__file__") or sys._getframe().f_code.co_filename
        python = os.path.join(os.path.dirname(os.path.abspath(here)), "python")
        if python not in sys.path:
            sys.path.append(python)
        from matted_nuke import start

        start.add_menus()

    def log(reason):
        """Where the reason was written to: the log needs less than what failed, and this needs less than the log."""
        try:
            from matted_nuke.log import note

            return str(note(reason))
        except BaseException:
            path = os.path.join(tempfile.gettempdir(), "matted-nuke.log")
            with open(path, "a") as file:
                file.write(time.ctime() + "\n" + reason + "\n")
            return path

    def explain(reason, log_file):
        def show():
            nuke.message("Matted could not be loaded: " + reason.strip().split("\n")[-1] + "\n\n" + log_file)

        for name in ("Nuke", "Nodes"):
            if nuke.menu(name).findItem("Matted") is not None:
                nuke.menu(name).removeItem("Matted")
        nuke.menu("Nuke").addCommand("Matted: failed to load (see log)...", show)

    if sys.version_info < (3, 9):
        explain(
            "this Nuke's Python is too old. Matted is for Nuke 14 and later.",
            "Other versions of Nuke are not affected.",
        )
        return
    try:
        add_menus()
    except BaseException:
        reason = traceback.format_exc()
        try:
            log_file = "The details are in " + log(reason) + "\nInstall it again: python install.py nuke"
        except BaseException:
            log_file = reason
        explain(reason, log_file)


try:
    _matted()
except BaseException:
    traceback.print_exc()
del _matted
