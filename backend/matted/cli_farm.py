"""The commands that the hosts of a farm run: do pieces of a batch, keep a session's daemon, tell how it went."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from matted.console import Progress, interruptible, say, tell_error
from matted.errors import MattedError
from matted_protocol.connection import VARIABLE
from matted_protocol.errors import DaemonError

if TYPE_CHECKING:
    from matted.batch.farm import Handout
    from matted.batch.mapping import PathMap
    from matted.batch.pieces import Piece
    from matted.engine.session import FrameDone

OnStep = Callable[["FrameDone"], None]
Stopped = Callable[[], bool]
Work = Callable[["Piece", OnStep, Stopped], None]
"""Does a piece."""

PIECES_EXAMPLES = """\b
Examples:
  matted pieces bundle/pieces.json 0-5
  matted pieces bundle/pieces.json 3-7,9 --path-mapping rules.json
"""
START_EXAMPLES = """\b
Examples:
  matted farm start /tmp/session
"""
STOP_EXAMPLES = """\b
Examples:
  matted farm stop /tmp/session
"""
REPORT_EXAMPLES = """\b
Examples:
  matted farm report bundle/pieces.json report.html
  matted farm report bundle/pieces.json report.html --accept warn --path-mapping rules.json
"""

_SEVERITY = ("pass", "warn", "fail", "error")

_file = click.argument("file", type=click.Path(path_type=Path))
_folder = click.argument("folder", type=click.Path(path_type=Path))
_path_mapping = click.option(
    "--path-mapping",
    type=click.Path(path_type=Path),
    help="The farm's rules for paths (a file of the form pathmapping-1.0).",
)
_openjd = click.option("--openjd", is_flag=True, help="Tell the farm how it goes, in Open Job Description's words.")


class Places(click.ParamType[list[int]]):
    """Places in a list, as 3-7,9."""

    name = "places"

    def convert(self, value: str | list[int], param: click.Parameter | None, ctx: click.Context | None) -> list[int]:
        """The places, in the order given."""
        if isinstance(value, list):
            return value
        try:
            ends = [[int(end) for end in part.split("-")] for part in value.split(",")]
            if any(len(end) > 2 for end in ends):
                raise ValueError
        except ValueError:
            self.fail(f"'{value}' is not a list of pieces like 3-7,9", param, ctx)
        return [place for end in ends for place in range(end[0], end[-1] + 1)]


class Told:
    """What a person, and where asked the farm, is told meanwhile.

    Args:
        openjd: whether to speak to a farm, in the words of Open Job Description ("How Jobs Are Run", Stdout messages).
    """

    def __init__(self, openjd: bool) -> None:
        self.total = 0
        self._openjd = openjd
        self._done = 0
        self._bar = Progress(silent=openjd)
        self._percent = -1

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Within, progress is shown, and an error that ends the command is told to the farm."""
        try:
            with self._bar:
                yield
        except (MattedError, DaemonError) as error:
            self._farm("fail", f"{error.message} {error.hint}")
            raise

    def status(self, text: str) -> None:
        """What is being done."""
        self._farm("status", text)
        say(text)

    def step(self, step: FrameDone) -> None:
        """A piece has come a step further."""
        self._bar.step(step)
        self._show(self._done + step.done)

    def done(self, size: int) -> None:
        """A piece of ``size`` steps has ended."""
        self._done += size
        self._show(self._done)

    def failure(self, error: MattedError | DaemonError) -> None:
        """A piece could not be done, and others go on."""
        self._farm("fail", f"{error.message} {error.hint}")
        tell_error(error, as_json=False)

    def environment(self, name: str, value: str) -> None:
        """A variable that every later task of the session gets."""
        self._farm("env", f"{name}={value}")

    def _show(self, done: int) -> None:
        percent = min(100, 100 * done // max(self.total, 1))
        if percent > self._percent:
            self._percent = percent
            self._farm("progress", str(percent))

    def _farm(self, word: str, text: str) -> None:
        if self._openjd:
            print(f"openjd_{word}: {' '.join(text.splitlines())}", flush=True)


@click.command(epilog=PIECES_EXAMPLES)
@_file
@click.argument("which", type=Places())
@_path_mapping
@click.option("--weights", default="", help="Where this host has the weights, or their name [what the batch names].")
@click.option("--device", help="cuda, cuda:1, mps or cpu [the best one here]; works in this process.")
@_openjd
def pieces(
    file: Path, which: list[int], path_mapping: Path | None, weights: str, device: str | None, openjd: bool
) -> None:
    """Do the pieces WHICH of the batch in FILE: by the daemon that $MATTED_CONNECTION_FILE names, or here.

    What is done already is not made again. A piece that cannot be done does not keep the others from being done.
    """
    told, failed = Told(openjd), 0
    with told(), interruptible() as stopped:
        handout, paths = _read(file, path_mapping)
        told.total = sum(handout.total(place) for place in which)
        with _worker(device, told) as work:
            for place in which:
                try:
                    piece = handout.piece(place, paths, weights=weights)
                    told.status(str(piece))
                    work(piece, told.step, stopped)
                except (MattedError, DaemonError) as error:
                    if error.code == "cancelled":
                        raise
                    told.failure(error)
                    failed += 1
                told.done(handout.total(place))
    raise SystemExit(1 if failed else 0)


@click.group()
def farm() -> None:
    """What a farm's hosts do around the pieces of a batch: keep a daemon for a session, tell how the batch went."""


@farm.command(epilog=START_EXAMPLES)
@_folder
def start(folder: Path) -> None:
    """Start the daemon of a session that works in FOLDER, and tell the farm where its tasks find it."""
    from matted import farm_session

    told = Told(openjd=True)
    with told():
        told.status("Starting the daemon of this session.")
        told.environment(VARIABLE, str(farm_session.start(folder)))
        told.status("The daemon of this session answers.")


@farm.command(epilog=STOP_EXAMPLES)
@_folder
def stop(folder: Path) -> None:
    """Stop the daemon of the session that works in FOLDER, and no other one."""
    from matted import farm_session

    stopped = farm_session.stop(folder)
    say("The daemon of this session has stopped." if stopped else "The daemon of this session had ended already.")


@farm.command(epilog=REPORT_EXAMPLES)
@_file
@click.argument("report", type=click.Path(path_type=Path))
@_path_mapping
@click.option(
    "--accept", type=click.Choice(["pass", "warn", "fail"]), default="pass", show_default=True,
    help="The worst verdict of a shot that is no failure.",
)  # fmt: skip
@_openjd
def report(file: Path, report: Path, path_mapping: Path | None, accept: str, openjd: bool) -> None:
    """Say the verdict of every shot of the batch in FILE, and write the page REPORT.

    The exit code is that of 'matted batch': 0 when every shot passed, 3 when one warns, 1 when one fails or is not
    finished; with --accept warn a warning is none of that, with --accept fail a failing verdict neither.
    """
    from matted.batch.farm import outcomes
    from matted.batch.many import exit_code
    from matted.batch.page import write_page

    told = Told(openjd)
    with told():
        handout, paths = _read(file, path_mapping)
        found = outcomes(handout, paths)
        write_page(report.absolute(), found, title=handout.batch)
    for outcome in found:
        say(f"{outcome.state:5} {outcome.request.name}")
        for finding in outcome.verdict.findings if outcome.verdict else ():
            say(f"      {finding.words}")
        if outcome.error:
            told.failure(outcome.error)
    told.status(f"{handout.batch}: the report is {report.absolute()}")
    accepted = _SEVERITY[: _SEVERITY.index(accept) + 1]
    raise SystemExit(exit_code([outcome for outcome in found if outcome.state not in accepted]))


COMMANDS = (pieces, farm)


def _read(file: Path, path_mapping: Path | None) -> tuple[Handout, PathMap]:
    """The pieces, and the rules for their paths."""
    from matted.batch.farm import read_handout
    from matted.batch.mapping import PathMap, read_path_map

    return read_handout(file), PathMap() if path_mapping is None else read_path_map(path_mapping)


@contextmanager
def _worker(device: str | None, told: Told) -> Iterator[Work]:
    """What does a piece: the daemon that was named, or this process with a network that stays warm."""
    file = os.environ.get(VARIABLE)
    with _in_daemon(Path(file), told) if file and not device else nullcontext(_here(device, told)) as work:
        yield work


@contextmanager
def _in_daemon(file: Path, told: Told) -> Iterator[Work]:
    from matted.farm_session import Keeper, connect
    from matted.remote import do_piece

    keeper = Keeper(file, told.status)
    keeper.look()
    with connect(file) as client:

        def work(piece: Piece, on_step: OnStep, stopped: Stopped) -> None:
            def watchful() -> bool:
                if client.trouble:
                    keeper.look()
                return stopped()

            keeper.look()
            do_piece(client, piece, on_step=on_step, stopped=watchful)

        yield work


def _here(device: str | None, told: Told) -> Work:
    from matted.batch.bench import Bench
    from matted.batch.pieces import do
    from matted.weights import choose_device, default_folder

    bench = Bench(choose_device(device))

    def work(piece: Piece, on_step: OnStep, stopped: Stopped) -> None:
        do(
            piece,
            bench=bench,
            on_step=on_step,
            on_degraded=lambda frame, text: told.status(text),
            stopped=stopped,
            weights_folder=default_folder(),
        )

    return work
