"""How a client finds the daemon: the connection file, and the keys in it."""

import getpass
import json
import os
import platform
import re
import sys
import tempfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Optional

from matted_protocol.errors import DaemonError

VARIABLE = "MATTED_CONNECTION_FILE"
"""Environment variable that names another connection file than this user's own."""


@dataclass(frozen=True)
class Connection:
    """What a connection file holds.

    Attributes:
        endpoint: ZeroMQ address, ``tcp://127.0.0.1:41234``; empty while no daemon runs.
        server_key: the daemon's public key, 40 characters of Z85.
        public_key: the client's public key.
        secret_key: the client's secret key.
        pid: the daemon's process, on this machine; 0 for a daemon elsewhere.
        command: how to start the daemon here; empty for a daemon elsewhere.
        matted: the daemon's version.
    """

    endpoint: str
    server_key: str
    public_key: str
    secret_key: str
    pid: int = 0
    command: tuple[str, ...] = ()
    matted: str = ""


def data_folder() -> Path:
    """Where matted keeps what belongs to this user: weights, shots, keys. The environment decides, as platforms do."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "matted"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "matted"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "matted"


def connection_file() -> Path:
    """The connection file of this user on this machine: ``$MATTED_CONNECTION_FILE``, or one in the data folder.

    It is named after the machine, because home folders are shared between machines and daemons are not.
    """
    given = os.environ.get(VARIABLE)
    machine = re.sub(r"[^A-Za-z0-9.-]+", "-", platform.node()) or "machine"
    return Path(given) if given else data_folder() / f"daemon-{machine}.json"


def read_connection(path: Path) -> Connection:
    """Read a connection file.

    Raises:
        DaemonError: ``connection_missing``, ``connection_damaged``, or ``key_readable`` when others can read the keys.
    """
    refuse_readable(path)
    try:
        found = json.loads(path.read_text("utf-8"))
        known = {item.name: found[item.name] for item in fields(Connection) if item.name in found}
        connection = Connection(**{**known, "command": tuple(known.get("command", ()))})
    except FileNotFoundError as error:
        message = f"There is no connection file {path}."
        hint = "Start the daemon with 'matted serve', or ask for a connection file for this workstation."
        raise DaemonError("connection_missing", message, hint, path=str(path)) from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        message = f"The connection file {path} cannot be read: {error}."
        hint = "Restart the daemon, or make the file again with 'matted connect-file'."
        raise DaemonError("connection_damaged", message, hint, path=str(path)) from error
    texts = (connection.endpoint, connection.server_key, connection.public_key, connection.secret_key)
    keys_whole = all(isinstance(key, str) and len(key) == 40 for key in texts[1:])
    if not (keys_whole and isinstance(connection.endpoint, str) and isinstance(connection.pid, int)):
        message = f"The connection file {path} is damaged."
        hint = "Restart the daemon, or make the file again with 'matted connect-file'."
        raise DaemonError("connection_damaged", message, hint, path=str(path))
    return connection


def write_connection(path: Path, connection: Connection) -> None:
    """Write a connection file that only its owner can read; a reader sees the old one or the whole new one."""
    write_private(path, json.dumps(asdict(connection), indent=1))


def write_private(path: Path, text: str) -> None:
    """Write ``text`` beside ``path``, readable by its owner alone from its first byte on, then rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600, whatever the umask
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def refuse_readable(path: Path) -> None:
    """Refuse a key file that anybody but its owner can read. Windows keeps such rights elsewhere.

    Raises:
        DaemonError: ``key_readable``.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # whoever reads it next says why it cannot
    if os.name == "posix" and mode & 0o077:
        message = f"The keys in {path} can be read by others (mode {mode & 0o777:04o})."
        raise DaemonError("key_readable", message, f"Run: chmod 600 '{path}'", path=str(path))


def this_user() -> str:
    """The name of whoever runs this process."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user in the system's list, as in some containers
        return "artist"


def running(pid: int) -> Optional[bool]:
    """Whether a process of this machine runs; None where that cannot be asked without harm."""
    if os.name != "posix" or pid <= 0:
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
