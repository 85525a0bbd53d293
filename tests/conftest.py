"""What every test can count on.

No daemon of whoever runs the tests is ever found, used or started, and nothing is kept in their home. Torch has one
thread, here and in every process a test starts: sums in another order end in other last bits, and the test files run
side by side.
"""

import os
from pathlib import Path
from tempfile import gettempdir

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["XDG_DATA_HOME"] = str(Path(gettempdir()) / "matted-tests" / "data")
os.environ["MATTED_CONNECTION_FILE"] = str(Path(gettempdir()) / "matted-tests" / "no-daemon-here.json")
