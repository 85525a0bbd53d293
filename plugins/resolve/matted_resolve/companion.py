"""The companion: a process on matted's own Python that owns the connection to the daemon, the shots and the windows.

``python -m matted_resolve.companion`` is started by the script inside Resolve and ends by itself when neither a script
nor a window has been there for a while. One thread asks Resolve; one listens to it, and others serve the windows.
"""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import signal
import sys
import threading
import time
import traceback
import webbrowser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Callable

from matted_plugin.daemon import Daemon
from matted_resolve import link
from matted_resolve.board import Board
from matted_resolve.browser import Browser
from matted_resolve.link import Contact, Link, LinkError, Listener
from matted_resolve.remote import Remote
from matted_resolve.view import PRESSES, Press, View
from matted_resolve.wireform import WireformError, from_wire, to_wire

LINGER = 30.0
"""Seconds without a script, or without a window and anything to do, after which things come to their end."""

_SLOW = 3.0
"""Seconds Resolve may take to answer before the windows say so."""

_TICKING = 5.0
"""Seconds in which the clock of the window in Resolve has to go."""


class Companion:
    """The process.

    Args:
        daemon: makes the connection to the daemon, by the name of the program that uses it.
        contact: the contact file.
        show: opens the page in a browser; returns whether it could.
        linger: seconds; :data:`LINGER`.
    """

    def __init__(
        self,
        daemon: Callable[[str], Daemon],
        contact: Path,
        *,
        show: Callable[[str], bool] = webbrowser.open,
        linger: float = LINGER,
    ) -> None:
        self._board = Board(daemon)
        self._file = contact
        self._version = link.version()  # now: the plugin may be brought up to date while this runs
        self._show = show
        self._linger = linger
        self._inbox: queue.Queue[Callable[[], None]] = queue.Queue()
        self._browser = Browser(self._pressed, self._over)
        self._window = ""  # in Resolve: '' none, 'opening', 'open'
        self._turning = threading.Event()  # the script looks for what we ask
        self._shown = True
        self._sent = View()
        self._alone = time.monotonic()
        self._unwatched, self._patience = time.monotonic(), linger
        self._ending = False  # once no script is there
        self._stopped = threading.Event()
        self._guard = threading.Lock()
        self._taken: Remote | None = None

    def run(self) -> None:
        """Serve until nobody needs it."""
        secret = secrets.token_hex(32)
        listener = Listener(secret, self._greet)
        contact = Contact(listener.port, secret, os.getpid(), self._version)
        link.write_contact(self._file, contact)
        try:
            while not (self._stopped.is_set() or self._is_over()):
                self._turn()
        finally:
            with self._guard:  # whoever comes now is not taken any more
                self._stopped.set()
            if link.read_contact(self._file) == contact:
                self._file.unlink(missing_ok=True)
            listener.close()
            self._board.close()
            if self._taken is not None:
                self._taken.close()  # one that nobody has begun to listen to
            self._browser.close()

    def stop(self) -> None:
        """Have it end soon, as when the system asks for it; the script is let go and jobs run on."""
        self._stopped.set()

    # The desk's thread

    def _turn(self) -> None:
        try:
            moved = self._board.tick(watched=self._watched)
            view = self._board.view()
        except Exception:
            traceback.print_exc()  # to the log
            time.sleep(0.5)
            return
        self._browser.publish(view)
        self._tell_window(view)
        wait = 0.0 if moved else 0.01 if self._board.acting else 0.05
        with contextlib.suppress(queue.Empty):
            while True:
                self._do(self._inbox.get(timeout=wait) if wait else self._inbox.get_nowait())
                wait = 0.0

    def _do(self, wanted: Callable[[], None]) -> None:
        try:
            wanted()
        except Exception:
            traceback.print_exc()

    @property
    def _watched(self) -> bool:
        return self._browser.open or self._window == "open"

    def _is_over(self) -> bool:
        now = time.monotonic()
        if self._watched or self._board.busy or self._window == "opening":
            self._unwatched = now
        if self._watched:
            self._patience = self._linger
        remote = self._board.remote
        if remote is not None:
            self._alone = now
            if now - self._unwatched > self._patience:
                self._unwatched = now
                remote.tell(end=True)
            return False
        if self._watched:
            self._alone = now
        return self._ending or now - self._alone > self._linger

    def _arrived(self, remote: Remote, window: str) -> None:
        self._window = "opening" if window == "resolve" else ""
        self._shown, self._sent = True, View()
        self._unwatched, self._patience = time.monotonic(), 10 * self._linger  # a browser may take long to start
        if not self._window and not self._browser.open:
            self._open_page()
        elif self._window:
            threading.Thread(target=self._watch_over, args=(remote,), name="matted-watch", daemon=True).start()
        self._board.connect(remote)

    def _watch_over(self, remote: Remote) -> None:
        """Open the page where the window in Resolve has no clock that goes: then nobody there hears what we ask."""
        if not self._turning.wait(_TICKING) and not remote.ended:
            self._open_page()

    def _told(self, message: dict[str, Any]) -> None:
        """What a script says without being asked."""
        if "turning" in message:
            self._turning.set()
        elif "press" in message:
            self._inbox.put(lambda: self._press_told(message["press"]))
        elif "shown" in message:
            self._inbox.put(self._window_answered)
        elif message.get("window") == "deaf":
            self._inbox.put(self._deaf)
        elif message.get("window") == "closed":
            self._inbox.put(self._window_closed)

    def _press_told(self, told: Any) -> None:
        with contextlib.suppress(WireformError):
            self._press(from_wire(Press, told))

    def _window_answered(self) -> None:
        self._shown = True
        if self._window == "opening":
            self._window = "open"

    def _window_closed(self) -> None:
        self._window = ""
        self._unwatched, self._patience = -self._linger, self._linger  # at once, if nothing is on its way

    def _deaf(self) -> None:
        self._window = ""
        self._open_page()

    def _open_page(self) -> None:
        if not self._show(self._browser.url):
            print(f"no browser could be opened for {self._browser.url}", file=sys.stderr)

    def _tell_window(self, view: View) -> None:
        """Have the window in Resolve show a view, once it has shown the one before."""
        remote = self._board.remote
        if remote is not None and self._window and self._shown and view != self._sent:
            self._sent, self._shown = view, False
            remote.tell(view=to_wire(self._over(view)))

    def _press(self, press: Press) -> None:
        if press.press in PRESSES:
            self._board.press(press)

    # Other threads

    def _pressed(self, press: Press) -> None:
        self._inbox.put(lambda: self._press(press))

    def _over(self, view: View) -> View:
        """A view as it is shown: with what Resolve keeps us waiting for."""
        remote = self._board.remote
        if remote is None or remote.waiting < _SLOW:
            return view
        return replace(
            view,
            busy="Resolve is busy. If it stays so, look for a dialog that waits in Resolve and close it. "
            "What you press here is done when Resolve answers.",
        )

    def _greet(self, connection: Link) -> None:
        """Talk to a script; on a thread of its own."""
        try:
            hello = connection.receive(link.DEADLINE) or {}
            is_ours = hello.get("hello") == self._version and hello.get("wire") == link.VERSION
            remote = Remote(connection, str(hello.get("program") or "resolve"), self._told)
            with self._guard:
                if self._stopped.is_set():
                    return
                is_free = self._taken is None or self._taken.ended
                if is_ours and is_free:
                    self._taken = remote
            if not is_free:
                connection.send({"refused": "taken"})
                self._inbox.put(self._front)
            elif not is_ours:
                connection.send({"refused": "version"})
                self._ending = True
            else:
                self._turning.clear()
                connection.send({"welcome": self._browser.url})
                self._inbox.put(lambda: self._arrived(remote, str(hello.get("window"))))
                remote.listen()
        except LinkError:
            pass
        finally:
            connection.close()

    def _front(self) -> None:
        """Somebody chose Matted in the menu again."""
        if self._window and self._board.remote is not None:
            self._board.remote.tell(front=True)
        else:
            self._open_page()


def alone(file: Path) -> IO[bytes] | None:
    """Be the only companion: a lock that ends with the process. None when there is another one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def main(arguments: Sequence[str] = ()) -> int:
    """Run the companion; ``--no-browser`` opens no page. Returns 0."""
    os.environ.pop("PYTHONPATH", None)  # it is ours alone: the daemon is another program
    contact = link.contact_file()
    lock = alone(contact.with_suffix(".lock"))
    if lock is None:
        print("another companion is running")
        return 0
    command = tuple(map(str, link.installed().get("daemon") or ()))
    with lock:
        companion = Companion(
            lambda program: Daemon(program, command=command),
            contact,
            show=(lambda url: True) if "--no-browser" in arguments else webbrowser.open,
        )
        signal.signal(signal.SIGTERM, lambda *_: companion.stop())
        companion.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
