"""What Resolve's menu runs: Workspace > Scripts > Matted, and the same for the clip of the comp on the Fusion page.

It finds matted's code and starts it. Any Python 3 can read it, so that one which is too old can be told so.
"""

import os
import sys
import tempfile
import time
import traceback

PACKAGES = ""  # the installer writes here where matted's code is
INSTALL_AGAIN = "Run 'python install.py resolve' in matted's folder again."


def _matted():
    if sys.version_info < (3, 9):
        found = ".".join(str(part) for part in sys.version_info[:3])
        print("Matted needs Python 3.9 or newer in Resolve's menu; this is " + found + ", " + str(sys.executable) + ".")
        print("Point PYTHON3HOME (macOS, Linux) or FUSION_PYTHON3_HOME (Windows) at the folder of a newer one, then")
        print("start Resolve again. 'python install.py resolve' in matted's folder says more.")
        return

    import builtins

    def given(*names):
        """The first of these that Resolve gave the script."""
        for name in names:
            value = globals().get(name, getattr(builtins, name, None))
            if value is not None:
                return value
        return None

    def packages():
        """Where matted's code is: where the installer put it, else beside the folder of this script."""
        here = globals().get("__file__") or sys._getframe().f_code.co_filename
        beside = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(here))), "matted", "python")
        return next((path for path in (PACKAGES, beside) if path and os.path.isdir(path)), None)

    def log(reason):
        """Where the reason was written to."""
        try:
            from matted_protocol.connection import data_folder

            path = os.path.join(str(data_folder()), "plugins", "resolve", "script.log")
            write(path, reason)
        except Exception:
            path = os.path.join(tempfile.gettempdir(), "matted-resolve.log")
            write(path, reason)
        return path

    def write(path, reason):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(time.strftime("%Y-%m-%d %H:%M:%S") + " " + reason.rstrip() + "\n")

    def tell(text):
        """Print a line; the console may know ASCII alone."""
        try:
            print(text)
        except UnicodeEncodeError:
            print(text.encode("ascii", "backslashreplace").decode("ascii"))

    def start():
        bmd, fusion, resolve = given("bmd"), given("fusion", "fu", "app"), given("resolve")
        if resolve is None and bmd is not None:
            resolve = bmd.scriptapp("Resolve")
        if resolve is None:
            print("Matted: Resolve does not answer this script.")
            print("Start it inside Resolve: Workspace > Scripts > Matted.")
            return
        from matted_resolve import script

        script.main(resolve, fusion, bmd)

    found = packages()
    if found is None:
        print("Matted: its code is not in " + (PACKAGES or "the folder 'matted' beside this script's") + ".")
        print(INSTALL_AGAIN)
        return
    if found not in sys.path:
        sys.path.insert(0, found)  # first: this process runs nothing but matted
    try:
        start()
    except Exception as error:
        tell("Matted: " + (getattr(error, "message", "") or type(error).__name__ + ": " + str(error)))
        tell(getattr(error, "hint", "") or INSTALL_AGAIN)
        try:
            tell("The details are in " + log(traceback.format_exc()))
        except OSError:
            traceback.print_exc()


_matted()
