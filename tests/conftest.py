"""What every test can count on: no daemon of the person who runs the tests is ever found, used or started."""

import os
from pathlib import Path
from tempfile import gettempdir


def pytest_configure():
    os.environ["MATTED_CONNECTION_FILE"] = str(Path(gettempdir()) / "matted-tests" / "no-daemon-here.json")
