"""The window as a page in the artist's browser, served to this machine alone.

Its address holds a secret; requests that name another host or come from another page are refused. The page is told each
new view as it comes, and sends presses.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable

from matted_resolve.view import Press, View
from matted_resolve.wireform import from_wire, to_wire

PAGE = Path(__file__).with_name("page") / "window.html"

_FIRST = '<script type="application/json" id="first">{}</script>'

_LARGEST = 1 << 16
"""Bytes of a press."""

_PULSE = 5.0
"""Seconds after which an open page is told something, so that a closed one is missed."""


class Browser:
    """The page's server.

    Args:
        pressed: takes each press, on a thread of the server's.
        over: what to make of a view at the moment it is shown.

    Attributes:
        url: the page's address, with its secret.
    """

    def __init__(self, pressed: Callable[[Press], None], over: Callable[[View], View]) -> None:
        self.pressed = pressed
        self.secret = secrets.token_urlsafe(24)
        self._page = PAGE.read_text("utf-8")
        self._over = over
        self._view = View()
        self._news = threading.Condition()
        self._open = 0
        self._left = 0.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/{self.secret}/"
        self._thread = threading.Thread(target=self._serve, name="matted-page", daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        self._server.serve_forever(0.1)

    def publish(self, view: View) -> None:
        """Show another view."""
        with self._news:
            if view != self._view:
                self._view = view
                self._news.notify_all()

    @property
    def open(self) -> bool:
        """Whether the page is open somewhere."""
        return self._open > 0

    @property
    def left(self) -> float:
        """When the last page was closed, by the monotonic clock; 0.0 before any was open."""
        return self._left

    def page(self) -> bytes:
        """The page, with the view of now in it."""
        first = self.shown().replace("<", "\\u003c")  # no text ends the element it stands in
        return self._page.replace(_FIRST.format("{}"), _FIRST.format(first), 1).encode()

    def shown(self) -> str:
        """The view as the page gets it."""
        return json.dumps(to_wire(self._over(self._view)))

    def follow(self, send: Callable[[str], None]) -> None:
        """Send each view as it comes until ``send`` raises OSError, as when the page was closed."""
        with self._news:
            self._open += 1
        sent, when = "", 0.0
        try:
            while True:
                told = self.shown()
                if told != sent:
                    send(f"data: {told}\n\n")
                elif time.monotonic() - when > _PULSE:
                    send(": here\n\n")
                else:
                    with self._news:
                        self._news.wait(0.5)
                    continue
                sent, when = told, time.monotonic()
        finally:
            with self._news:
                self._open -= 1
                self._left = time.monotonic()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(browser: Browser) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One request."""

        protocol_version = "HTTP/1.1"
        server_version = "matted"
        sys_version = ""
        timeout = 30

        def do_GET(self) -> None:
            """The page, or its views as they come."""
            what = self._allowed()
            if what == "":
                self._answer(200, browser.page(), "text/html; charset=utf-8")
            elif what == "views":
                self._follow()
            elif what is not None:
                self._answer(404)

        def do_POST(self) -> None:
            """A press."""
            what = self._allowed()
            if what is None:
                return
            try:
                length = int(self.headers.get("Content-Length") or "")
                if what != "press" or not 0 < length <= _LARGEST:
                    raise ValueError
                press: Press = from_wire(Press, json.loads(self.rfile.read(length)))
            except (ValueError, RecursionError):
                self.close_connection = True
                self._answer(400)
                return
            browser.pressed(press)
            self._answer(204)

        def _allowed(self) -> str | None:
            """What is asked for below the secret; None after a refusal."""
            host, origin = self.headers.get("Host") or "", self.headers.get("Origin")
            hosts = (f"127.0.0.1:{browser.port}", f"localhost:{browser.port}")
            _, _, rest = self.path.partition("/")
            secret, _, what = rest.partition("/")
            is_page = host in hosts and (origin is None or origin == f"http://{host}")
            if not is_page or not hmac.compare_digest(secret.encode(), browser.secret.encode()):
                self.close_connection = True
                self._answer(403)
                return None
            return what

        def _follow(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.close_connection = True
            with contextlib.suppress(OSError):
                browser.follow(self._send)

        def _send(self, text: str) -> None:
            self.wfile.write(text.encode())
            self.wfile.flush()

        def _answer(self, status: int, content: bytes = b"", kind: str = "text/plain") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("Referrer-Policy", "no-referrer")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header(
                "Content-Security-Policy",
                "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
                "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
            )
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the address holds a secret."""

    return Handler
