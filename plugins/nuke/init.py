"""What Nuke runs first in every session, also on the farm: it only says where matted's code is.

Every Python can read it: an older Nuke may share this folder, and passes by.
"""

import os
import sys


def _matted():
    here = globals().get("__file__") or sys._getframe().f_code.co_filename
    python = os.path.join(os.path.dirname(os.path.abspath(here)), "python")
    if sys.version_info >= (3, 9) and python not in sys.path:
        sys.path.append(python)  # last: nothing of the host's or the studio's is shadowed


_matted()
del _matted
