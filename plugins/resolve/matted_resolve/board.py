"""What the companion does with presses: shots on a desk, whose turn it is in Resolve, and the view of it all.

Everything here is called on one thread, the only one that asks Resolve anything.
"""

from __future__ import annotations

import platform
import time
from collections import deque
from typing import Callable

from matted_plugin.daemon import Daemon
from matted_plugin.desk import Desk
from matted_plugin.host import Gone, HostError
from matted_plugin.report import counted, in_words
from matted_plugin.workflow import Workflow
from matted_resolve import link, start
from matted_resolve.remote import Disconnected, Remote, RemoteHost, about
from matted_resolve.seat import About, Card
from matted_resolve.view import Press, Shot, View

_EVERY = 1.0
"""Seconds between two looks at the clip under the playhead, while a window is open and Resolve has nothing else to do
for us. A Resolve that answers slowly is asked less often."""


class Board:
    """All clips somebody pressed a button for, of the Resolve that is connected now.

    Args:
        daemon: the connection to the daemon; made by the program's name when the first Resolve connects.
    """

    def __init__(self, daemon: Callable[[str], Daemon]) -> None:
        self.remote: Remote | None = None
        self._make_daemon = daemon
        self._desk: Desk | None = None
        self._about: About | None = None
        self._card: Card | None = None
        self._selected: tuple[str, ...] = ()
        self._names: dict[str, str] = {}
        self._queue: deque[str] = deque()
        self._to_open: deque[str] = deque()
        self._elsewhere: dict[str, None] = {}  # clips that are in no timeline that is open
        self._shots: tuple[Shot, ...] = ()
        self._said, self._hint, self._error = "", "", False
        self._diagnostics = ""
        self._next_look = 0.0

    # Resolve comes and goes

    def connect(self, remote: Remote) -> None:
        """Take a Resolve; clips that were open, and marked ones that have a job, are opened again."""
        if self.remote is not None:
            self.disconnect()
        self.remote = remote
        if self._desk is None:
            self._desk = Desk(self._make_daemon(remote.program))
        self._say("")
        before = list(self._to_open)
        self._to_open.clear()
        try:
            self._look()
            marked = remote.ask("clips", tuple[str, ...], which="marked")
            self._to_open.extend(dict.fromkeys([*before, *([self._card.key] if self._card else []), *marked]))
        except HostError as error:
            self._to_open.extend(before)
            self._tell_error(error)

    def disconnect(self) -> None:
        """Resolve is gone: stop what was on its way in it and remember the rest. Jobs run on in the daemon."""
        remote, self.remote = self.remote, None
        if remote is not None:
            remote.close()
        self._queue.clear()
        if self._desk is not None:
            self._shots = tuple(self._shot(flow) for flow in self._flows())
            self._to_open = deque(dict.fromkeys([*(shot.key for shot in self._shots), *self._to_open]))
            for flow in self._flows():
                flow.leave()
            self._desk.forget()
        self._card, self._selected = None, ()
        self._tell_error(Disconnected())

    def close(self) -> None:
        """Let go of everything; jobs run on."""
        if self.remote is not None:
            self.disconnect()
        if self._desk is not None:
            self._desk.close()

    @property
    def acting(self) -> bool:
        """Whether Resolve has something to do for us."""
        return bool(self._queue) or (self._desk is not None and self._desk.acting)

    @property
    def busy(self) -> bool:
        """Whether anything is on its way, in Resolve or in the daemon."""
        return bool(self._queue) or (self._desk is not None and self._desk.busy)

    # The clock

    def tick(self, *, watched: bool) -> bool:
        """Do the next little thing; returns whether there was one.

        Args:
            watched: whether a window is open.
        """
        if self.remote is None or self._desk is None:
            return False
        if self.remote.ended:
            self.disconnect()
            return True
        before = [_host(flow).clip for flow in self._desk.opened]
        try:
            moved = self._desk.tick()
        except HostError as error:
            self._tell_error(error)
            moved = True
        self._miss([key for key in before if self._flow(key) is None])
        if self._to_open:
            self._open_again(self._to_open.popleft())
            moved = True
        elif self._queue and not self._desk.acting:
            self._begin(self._queue.popleft())
            moved = True
        elif watched and not self._desk.acting and time.monotonic() > self._next_look:
            self._look_again()
        return moved

    def _miss(self, keys: list[str]) -> None:
        """Tell of clips that went away while something was made for them: with their timeline, it may be."""
        if keys:
            self._elsewhere.update(dict.fromkeys(keys))
            self._tell_error(
                HostError(
                    f"{', '.join(self._name(key) for key in keys)}: not in the timeline that is open.",
                    "Mattes that are being made go on, and are shown once that timeline is open again.",
                )
            )

    def _look_again(self) -> None:
        try:
            self._look()
        except HostError as error:
            self._tell_error(error)

    def _look(self) -> None:
        """Look at what is under the playhead and what is selected."""
        assert self.remote is not None
        began = time.monotonic()
        try:
            before, self._about = self._about, about(self.remote)
            if before is not None and before.timeline != self._about.timeline:
                self._to_open.extend(key for key in self._elsewhere if key not in self._to_open)
            current = self.remote.ask("clips", tuple[str, ...], which="current")
            self._selected = self.remote.ask("clips", tuple[str, ...], which="selected")
            self._card = self._read_card(current[0]) if current else None
            if self._card is not None and self._flow(self._card.key) is None and self._card.key not in self._to_open:
                self._to_open.append(self._card.key)
        finally:
            self._next_look = time.monotonic() + max(_EVERY, 10 * (time.monotonic() - began))

    def _read_card(self, key: str) -> Card | None:
        assert self.remote is not None
        try:
            card = RemoteHost(self.remote, key).card()
        except Gone:
            return None
        self._names[key] = card.name
        return card

    # Shots

    def _flows(self) -> list[Workflow]:
        """Of every clip that is open, as they were named first, without asking Resolve whether it is still there."""
        opened = [] if self._desk is None else self._desk.opened
        order = {key: index for index, key in enumerate(self._names)}
        return sorted(opened, key=lambda flow: order.get(_host(flow).clip, len(order)))

    def _flow(self, key: str) -> Workflow | None:
        return next((flow for flow in self._flows() if _host(flow).clip == key), None)

    def _open(self, key: str) -> Workflow:
        if self.remote is None or self._desk is None:
            raise Disconnected
        known = self._flow(key)
        if known is not None:
            return known
        if key not in self._names:
            self._read_card(key)
        return self._desk.open(RemoteHost(self.remote, key))

    def _open_again(self, key: str) -> None:
        """Open a clip that has a state, and find its job."""
        try:
            if self.remote is not None and self._flow(key) is None and RemoteHost(self.remote, key).stored():
                self._open(key).attach()
            self._elsewhere.pop(key, None)
        except Gone:
            pass
        except HostError as error:
            self._tell_error(error)

    def _begin(self, key: str) -> None:
        try:
            self._open(key).propagate()
        except HostError as error:
            self._tell_error(error)

    # Presses

    def press(self, press: Press) -> None:
        """Do what the artist pressed."""
        self._say("")
        self._diagnostics = ""
        if press.press == "diagnostics":
            self._diagnostics = self.diagnostics()
            return
        try:
            if self.remote is None:
                raise Disconnected
            getattr(self, f"_press_{press.press}")(press)
            if press.press not in ("cancel", "dismiss") and not self.acting:
                self._look()
        except HostError as error:
            self._tell_error(error)

    def _press_propagate(self, press: Press) -> None:
        self._line_up([self._key(press)])

    def _press_propagate_selected(self, press: Press) -> None:
        self._propagate_all("selected", "No clip is selected.", "Select clips in the media pool, then press again.")

    def _press_propagate_marked(self, press: Press) -> None:
        self._propagate_all(
            "marked",
            "No clip of this timeline has a keyframe marker.",
            "Put the playhead on a masked frame and press Mark frame, or put Mint markers on the clips.",
        )

    def _propagate_all(self, which: str, message: str, hint: str) -> None:
        assert self.remote is not None
        keys = self.remote.ask("clips", tuple[str, ...], which=which)
        if not keys:
            raise HostError(message, hint)
        self._line_up(keys)
        self._say(f"{counted(len(keys), 'clip')} to do, one after the other.")

    def _line_up(self, keys: list[str] | tuple[str, ...]) -> None:
        """Have clips propagated; Resolve renders for one at a time."""
        for key in keys:
            flow = self._flow(key)
            if key not in self._queue and (flow is None or not (flow.busy or flow.state.running)):
                if key not in self._names:
                    self._read_card(key)
                self._queue.append(key)

    def _press_suggest(self, press: Press) -> None:
        self._open(self._key(press)).suggest(max(1, min(press.count, 50)))

    def _press_cancel(self, press: Press) -> None:
        """Stop the clip; without one, everything."""
        waiting = [press.key] if press.key else list(self._queue)
        for key in waiting:
            if key in self._queue:
                self._queue.remove(key)
        for flow in self._flows():
            if press.key in ("", _host(flow).clip) and (flow.busy or flow.state.running):
                flow.cancel()

    def _press_mark(self, press: Press) -> None:
        self._say(self._host(press).mark(press.frame))

    def _press_unmark(self, press: Press) -> None:
        self._say(self._host(press).unmark(press.frame))

    def _press_go_to(self, press: Press) -> None:
        if press.frame is not None:
            self._say(self._host(press).go_to(press.frame))

    def _press_dismiss(self, press: Press) -> None:
        if press.frame is not None:
            self._open(self._key(press)).dismiss(press.frame)

    def _press_choose(self, press: Press) -> None:
        self._host(press).choose(press.name, press.value)

    def _press_render_again(self, press: Press) -> None:
        self._say(self._host(press).render_again())

    def _press_refresh(self, press: Press) -> None:
        """Looking is all there is to it."""

    def _press_remove(self, press: Press) -> None:
        assert self.remote is not None
        if self.acting:
            raise HostError("Resolve is still at work for matted.", "Wait until it has ended, or press Cancel.")
        self._say(self.remote.ask("remove", str))

    def _key(self, press: Press) -> str:
        if not press.key:
            raise HostError("No clip is under the playhead.", "Put the playhead on the clip in the timeline.")
        return press.key

    def _host(self, press: Press) -> RemoteHost:
        assert self.remote is not None
        return RemoteHost(self.remote, self._key(press))

    # What is shown

    def view(self) -> View:
        """All that a window shows now, without asking Resolve anything."""
        daemon = None if self._desk is None else self._desk.daemon
        why = None if daemon is None else daemon.why
        shots = self._shots
        if self.remote is not None:
            shots = tuple(self._shot(flow) for flow in self._flows())
            open_now = {shot.key for shot in shots}
            waiting = [key for key in self._queue if key not in open_now]
            shots += tuple(Shot(key, self._name(key), "Waits for its turn.", working=True) for key in waiting)
        shot = next((one for one in shots if self._card is not None and one.key == self._card.key), None)
        return View(
            connected=self.remote is not None,
            about=self._about,
            lamp="off" if daemon is None else daemon.lamp,
            lamp_tip="" if daemon is None else f"{why.message} {why.hint}" if why is not None else "",
            clip=self._card,
            shot=shot,
            shots=tuple(one for one in shots if one.sentence or one.suggestions or one.folder),
            selected=len(self._selected),
            buttons=self._buttons(shot),
            said=self._said,
            hint=self._hint,
            error=self._error,
            diagnostics=self._diagnostics,
        )

    def _buttons(self, shot: Shot | None) -> tuple[str, ...]:
        if self.remote is None:
            return ("diagnostics",)
        able = ["refresh", "diagnostics", "propagate_marked"]
        if not self.acting:
            able.append("remove")
        if self._selected:
            able.append("propagate_selected")
        if self._card is not None:
            able += ["mark", "unmark", "go_to", "dismiss", "choose", "render_again"]
            if shot is None or not shot.working:
                able.append("propagate")
            if shot is not None and shot.folder and not shot.working:
                able.append("suggest")
        if self.busy:
            able.append("cancel")
        return tuple(able)

    def _shot(self, flow: Workflow) -> Shot:
        host, report, known = _host(flow), flow.report, flow.state
        is_working = flow.busy or known.running or host.clip in self._queue
        if host.clip in self._queue and not flow.busy:
            sentence = "Waits for its turn."
        elif report.sentence:
            sentence = report.sentence
        else:
            sentence = _remembered(flow)
        done, total = (report.done, report.total) if is_working else (known.done, known.total)
        return Shot(
            key=host.clip,
            name=self._name(host.clip),
            sentence=sentence,
            hint=report.hint,
            error=report.error,
            working=is_working,
            done=min(done, total),
            total=total,
            left=in_words(report.seconds_left) if is_working else "",
            notes=tuple(dict.fromkeys(filter(None, (*report.notes, host.trouble)))),
            suggestions=tuple((frame, reason) for frame, reason in flow.suggestions),
            folder=known.folder,
        )

    def _name(self, key: str) -> str:
        return self._names.get(key, key)

    def _say(self, sentence: str) -> None:
        self._said, self._hint, self._error = sentence, "", False

    def _tell_error(self, error: HostError) -> None:
        self._said, self._hint, self._error = error.message, error.hint, True

    def diagnostics(self) -> str:
        """What whoever looks after matted wants to know, as text."""
        told = self._about or About("no Resolve", "")
        lines = [
            f"{told.product} {told.version}, page {told.page or 'unknown'}, connected: {self.remote is not None}",
            *(f"limit: {one}" for one in told.limits),
            f"companion: python {platform.python_version()} on {platform.platform()}",
            f"plugin {link.version()}, logs in {link.folder()}, companion's {start.log_file()}",
        ]
        if self._desk is not None:
            daemon = self._desk.daemon
            lines.append(f"daemon {daemon.endpoint}, lamp {daemon.lamp}, log {daemon.log}")
            if daemon.why is not None:
                lines.append(f"daemon's trouble: {daemon.why.message} {daemon.why.hint}")
        for shot in self.view().shots:
            lines.append(f"clip {shot.name} ({shot.key}): {shot.sentence} {shot.hint} {shot.folder}")
        if self._card is not None:
            lines.append(f"clip under the playhead: {self._card}")
        return "\n".join(lines)


def _host(flow: Workflow) -> RemoteHost:
    assert isinstance(flow.host, RemoteHost)
    return flow.host


def _remembered(flow: Workflow) -> str:
    """What is known of a shot nobody pressed a button for since it was opened."""
    known = flow.state
    if known.job_state == "done":
        return f"{counted(known.total, 'matte')} from before."
    if known.job_state in ("failed", "cancelled"):
        return f"{known.done} of {counted(known.total, 'matte')} from before. Press Propagate to go on."
    return ""
