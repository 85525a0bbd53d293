"""The script's side of the link: does what the companion asks for, on the thread that may touch Resolve."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import Any, Callable, Optional

from matted_plugin.host import Gone, HostError, Mattes, Rendering, Renderings, Shape
from matted_resolve.seat import WHICH, ClipHost, Seat
from matted_resolve.wireform import WireformError, error_to_wire, from_wire, to_wire


class Answers:
    """Everything the companion can ask of a seat.

    Args:
        seat: the running Resolve.
        log: where the story of an unexpected error goes.
    """

    def __init__(self, seat: Seat, log: Callable[[str], None]) -> None:
        self._seat = seat
        self._log = log
        self._hosts: dict[str, ClipHost] = {}
        self._renders: dict[int, Renderings] = {}
        self._tokens = 0

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """What comes of one call, as it is sent back; never raises."""
        told: dict[str, Any] = {"number": message.get("number"), "answer": None}
        call = message.get("call")
        try:
            told["answer"] = to_wire(self._do(str(call), message.get("arguments")))
        except HostError as error:
            told["error"] = error_to_wire(error)
        except WireformError as error:
            told["error"] = error_to_wire(HostError(f"{call} cannot be done: {error}", "Install the plugin again."))
        except Exception as error:
            self._log(traceback.format_exc())
            told["error"] = error_to_wire(
                HostError(
                    f"Something unexpected happened in Resolve: {type(error).__name__}: {error}.",
                    "Press the button again; if it stays, send the log to whoever looks after matted.",
                )
            )
        return told

    def stop(self) -> None:
        """Stop whatever is being rendered and have it put back, as when the companion is gone."""
        renders, self._renders = self._renders, {}
        for render in renders.values():
            try:
                render.close()
            except Exception:
                self._log(traceback.format_exc())

    def _do(self, call: str, arguments: Any) -> Any:
        if not isinstance(arguments, dict) or call not in _CALLS:
            raise WireformError(f"there is no call {call}")
        kinds = _CALLS[call]
        given = dict(arguments)
        host = self._host(from_wire(str, given.pop("clip"))) if "clip" in given else None
        if set(given) != set(kinds):
            raise WireformError(f"it wants {sorted(kinds)}, not {sorted(given)}")
        read = {name: from_wire(kind, given[name]) for name, kind in kinds.items()}
        own = getattr(self, f"_{call}", None)
        if own is not None:
            return own(host, **read) if host is not None else own(**read)
        if host is None:
            return getattr(self._seat, call)(**read)
        found = getattr(host, call)
        return found(**read) if callable(found) else found

    def _host(self, key: str) -> ClipHost:
        known = self._hosts.get(key)
        if known is None:
            known = self._hosts[key] = self._seat.host(key)
        return known

    def _clips(self, which: str) -> Sequence[str]:
        if which not in WHICH:
            raise WireformError(f"{which!r} is none of {WHICH}")
        return tuple(self._seat.clips(which))

    def _render_begin(self, host: ClipHost, renderings: list[Rendering]) -> int:
        self.stop()  # one whose end got lost
        self._tokens += 1
        self._renders[self._tokens] = host.render(renderings)
        return self._tokens

    def _render_step(self, token: int) -> tuple[bool, Rendering | None]:
        render = self._renders.get(token)
        if render is None:
            raise HostError("Nothing is being rendered.", "Press Propagate again.")
        try:
            return False, next(render)
        except StopIteration:
            del self._renders[token]
            return True, None
        except BaseException:
            del self._renders[token]
            raise

    def _render_stop(self, token: int) -> None:
        render = self._renders.pop(token, None)
        if render is not None:
            render.close()

    def _key(self, host: ClipHost) -> str:
        try:
            return host.key
        except Gone:
            self._hosts = {key: one for key, one in self._hosts.items() if one is not host}
            raise

    def _show_marks(self, host: ClipHost, keyframes: list[int], suggestions: list[tuple[int, str]]) -> None:
        host.show_marks(keyframes, suggestions)


_CALLS: dict[str, dict[str, Any]] = {
    "about": {},
    "alive": {},
    "clips": {"which": str},
    "remove": {},
    "key": {},
    "place": {},
    "read": {},
    "signature": {"frame": int},
    "render_begin": {"renderings": list[Rendering]},
    "render_step": {"token": int},
    "render_stop": {"token": int},
    "show_mattes": {"mattes": Mattes},
    "show_marks": {"keyframes": list[int], "suggestions": list[tuple[int, str]]},
    "make_shapes": {"shapes": list[Shape], "name": str},
    "stored": {},
    "store": {"text": str},
    "card": {},
    "choose": {"name": str, "value": str},
    "mark": {"frame": Optional[int]},
    "unmark": {"frame": Optional[int]},
    "go_to": {"frame": int},
    "render_again": {},
}
"""What can be asked, and the types of what comes with it besides the clip's key."""
