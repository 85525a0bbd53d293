"""The companion's side of the link: Resolve as far as the script shows it.

:class:`Remote` is the connection, :class:`RemoteHost` one clip behind it. Whatever they are asked waits for the
script, which waits for Resolve; so only the desk's thread asks, and the windows look at :attr:`Remote.waiting`.
"""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Sequence
from typing import Any, Callable, Optional

from matted_plugin.host import Asked, Gone, HostError, Mattes, Rendering, Renderings, Shape
from matted_resolve.link import Link, LinkError
from matted_resolve.seat import About, Card, ClipHost
from matted_resolve.wireform import WireformError, error_from_wire, from_wire, to_wire


class Disconnected(HostError):
    """The script went away, with Resolve or by itself."""

    def __init__(self) -> None:
        super().__init__(
            "Resolve is no longer connected.",
            "In Resolve choose Workspace > Scripts > Matted: it goes on from here. Jobs run on meanwhile.",
        )


class Remote:
    """One script and the Resolve it runs in.

    Args:
        link: the connection.
        program: ``resolve 20.3.2``.
        told: what the script says without being asked; called on the thread of :meth:`listen`.

    Attributes:
        ended: whether the script is gone.
    """

    def __init__(self, link: Link, program: str, told: Callable[[dict[str, Any]], None]) -> None:
        self.program = program
        self.ended = False
        self._link = link
        self._told = told
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._number = 0
        self._asked: float | None = None

    def listen(self) -> None:
        """Take what the script says until it is gone. The thread that calls this is the only one that receives."""
        try:
            while True:
                message = self._link.receive(3600)
                if message is not None and "answer" in message:
                    self._answers.put(message)
                elif message is not None:
                    self._told(message)
        except LinkError:
            pass
        finally:
            self.ended = True
            self._answers.put(None)

    @property
    def waiting(self) -> float:
        """For how many seconds Resolve has not answered what it was asked; 0.0 when it was asked nothing."""
        since = self._asked
        return 0.0 if since is None else time.monotonic() - since

    def ask(self, call: str, kind: Any = Any, **arguments: Any) -> Any:
        """Have the script do something, and wait for what comes of it.

        Args:
            call: one of the script's calls.
            kind: the type of the answer.
            arguments: of the call, as plain data.

        Raises:
            Disconnected: the script is gone.
            HostError: it could not be done.
        """
        self._number += 1
        self._asked = time.monotonic()
        try:
            self._link.send({"call": call, "number": self._number, "arguments": to_wire(arguments)})
            answer = self._answer()
        except LinkError as error:
            self.ended = True
            raise Disconnected from error
        finally:
            self._asked = None
        if "error" in answer:
            raise error_from_wire(answer["error"])
        try:
            return from_wire(kind, answer["answer"])
        except WireformError as error:
            raise HostError(
                f"The script inside Resolve answered {call} in a way nobody understands: {error}.",
                "Install the plugin again, then restart Resolve.",
            ) from error

    def tell(self, **message: Any) -> None:
        """Say something that needs no answer; nobody is told when the script is gone."""
        with contextlib.suppress(LinkError):
            self._link.send(message)

    def close(self) -> None:
        """Let the script go."""
        self._link.close()

    def _answer(self) -> dict[str, Any]:
        while not self.ended or not self._answers.empty():
            answer = self._answers.get()
            if answer is None:
                break
            if answer.get("number") == self._number:
                return answer
        raise LinkError("The script is gone.")


class RemoteHost(ClipHost):
    """One clip in the Resolve behind a :class:`Remote`.

    Attributes:
        trouble: why the state could not be kept with the clip; '' when it could.
    """

    def __init__(self, remote: Remote, clip: str) -> None:
        self.program = remote.program
        self.trouble = ""
        self._remote = remote
        self._clip = clip
        self._place = ""

    @property
    def clip(self) -> str:
        """The clip's key, without asking whether it is still there."""
        return self._clip

    @property
    def place(self) -> str:
        """The project, which tells a clip from its copy in another one."""
        with contextlib.suppress(Disconnected):  # what is kept then is still this project's
            self._place = str(self._ask("place", str))
        return self._place

    @property
    def key(self) -> str:
        """The clip's key.

        Raises:
            Gone: it is no longer there.
        """
        return str(self._ask("key", str))

    def read(self) -> Asked:
        """All that an action wants to know."""
        asked: Asked = self._ask("read", Asked)
        return asked

    def signature(self, frame: int) -> str:
        """What the plate looks like at a frame."""
        return str(self._ask("signature", str, frame=frame))

    def render(self, renderings: Sequence[Rendering]) -> Renderings:
        """Render frames in Resolve, a step at a time."""
        token = self._ask("render_begin", int, renderings=list(renderings))
        done = False
        try:
            while True:
                done, made = self._remote.ask("render_step", tuple[bool, Optional[Rendering]], token=token)
                if done:
                    return
                yield made
        except HostError:  # the script has put everything back before it said so
            done = True
            raise
        finally:
            if not done:
                with contextlib.suppress(Disconnected):
                    self._remote.ask("render_stop", token=token)

    def show_mattes(self, mattes: Mattes) -> Sequence[str]:
        """Show the mattes in Resolve."""
        told: tuple[str, ...] = self._ask("show_mattes", tuple[str, ...], mattes=mattes)
        return told

    def show_marks(self, keyframes: Sequence[int], suggestions: Sequence[tuple[int, str]]) -> None:
        """Put markers on the clip."""
        self._ask("show_marks", keyframes=list(keyframes), suggestions=[list(one) for one in suggestions])

    def show_status(self, sentence: str) -> None:
        """Nothing: the windows show it already."""

    def make_shapes(self, shapes: Sequence[Shape], name: str) -> str:
        """Make editable splines of traced shapes."""
        return str(self._ask("make_shapes", str, shapes=list(shapes), name=name))

    def stored(self) -> str:
        """The state as it was stored with the clip."""
        return str(self._ask("stored", str))

    def store(self, text: str) -> None:
        """Keep the state with the clip; without, the state has its own file, so this never fails."""
        try:
            self._ask("store", text=text)
            self.trouble = ""
        except Gone:
            raise
        except HostError as error:
            self.trouble = f"{error.message} {error.hint}"

    def card(self) -> Card:
        """What the window shows of it."""
        card: Card = self._ask("card", Card)
        return card

    def choose(self, name: str, value: str) -> None:
        """Keep a choice of the artist."""
        self._ask("choose", name=name, value=value)

    def mark(self, frame: int | None) -> str:
        """Put a keyframe marker."""
        return str(self._ask("mark", str, frame=frame))

    def unmark(self, frame: int | None) -> str:
        """Take a keyframe marker away."""
        return str(self._ask("unmark", str, frame=frame))

    def go_to(self, frame: int) -> str:
        """Put the playhead on a frame."""
        return str(self._ask("go_to", str, frame=frame))

    def render_again(self) -> str:
        """Have the plate rendered anew at the next press."""
        return str(self._ask("render_again", str))

    def _ask(self, call: str, kind: Any = Any, **arguments: Any) -> Any:
        return self._remote.ask(call, kind, clip=self._clip, **arguments)


def about(remote: Remote) -> About:
    """Which Resolve it is.

    Raises:
        HostError: it does not answer.
    """
    told: About = remote.ask("about", About)
    return told
