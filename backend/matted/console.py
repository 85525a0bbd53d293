"""What a person at a terminal sees: progress, suggestions, errors; and how Ctrl-C asks a job to stop."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from matted.errors import MattedError
from matted_protocol.errors import DaemonError

if TYPE_CHECKING:
    from matted.batch.engines import Step
    from matted.engine.session import FrameDone
    from matted.engine.suggest import Suggestion

JSON = "matted.json"
"""Where the running command notes that a program reads its output."""

LOG_EVERY = 5.0
"""Seconds between progress lines where there is no terminal to draw a bar on."""


class Progress:
    """Frames done, frames a second and time left: a bar on a terminal, a line now and then in a log.

    Args:
        silent: show nothing; for output that a program reads.
    """

    def __init__(self, silent: bool) -> None:
        self._silent = silent
        self._bar: Bar | None = None
        self._started = self._told = time.monotonic()
        self._first = 0

    def __enter__(self) -> Progress:
        if not self._silent and sys.stderr.isatty():
            self._bar = Bar(
                TextColumn("frame {task.fields[frame]}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]:.1f} frames/s"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task("", total=None, frame="", rate=0.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self, step: FrameDone | Step) -> None:
        """Show one more step; one that is about no frame shows nothing."""
        if step.frame is None:
            return
        now = time.monotonic()
        if not self._first:
            self._first = step.done
        rate = (step.done - self._first + 1) / max(now - self._started, 1e-6)
        if self._bar is not None:
            self._bar.update(self._task, completed=step.done, total=step.total, frame=step.frame, rate=rate)
        elif not self._silent and (now - self._told > LOG_EVERY or step.done == step.total):
            self._told = now
            left = (step.total - step.done) / rate
            say(f"frame {step.frame}: {step.done} of {step.total}, {rate:.1f} frames/s, {left:.0f} s left")


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Within, Ctrl-C, or a farm's wish, asks to stop after the frame at hand; a second one stops at once."""
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        say("Stopping after this frame; Ctrl-C again stops at once.")

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _note_json(ctx: click.Context, option: click.Parameter, chosen: bool) -> bool:
    ctx.meta[JSON] = chosen
    return chosen


json_option = click.option(
    "--json", "as_json", is_flag=True, callback=_note_json, is_eager=True, help="Print the result as JSON."
)


def tell_error(error: MattedError | DaemonError, *, as_json: bool) -> None:
    """Print an error for a person, or as one JSON object."""
    if as_json:
        told = {name: getattr(error, name) for name in ("code", "message", "hint", "path", "frame")}
        click.echo(json.dumps({"error": told}, default=str, ensure_ascii=False))
    else:
        kind = "stopped" if error.code == "cancelled" else "error"
        click.echo(f"{kind}: {error.message}\n  -> {error.hint}", err=True)


def say(text: str) -> None:
    """Print a line for a person."""
    click.echo(text, err=True)


def say_suggestions(suggestions: Sequence[Suggestion]) -> None:
    """Print the frames worth masking next, best first."""
    if not suggestions:
        say("No frame stands out: another keyframe would add little.")
    for suggestion in suggestions:
        say(f"Mask next: frame {suggestion.frame}: {suggestion.reason}")


def number(value: float | None) -> str:
    """A measure to four places, or a dash where it does not apply."""
    return "-" if value is None else f"{value:.4f}"
