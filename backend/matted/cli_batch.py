"""The command that makes many shots: ``matted batch``."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from matted.console import interruptible, json_option, say, tell_error
from matted.errors import MattedError
from matted_protocol.connection import this_user

if TYPE_CHECKING:
    from matted.batch.jobfile import Batch
    from matted.batch.outcome import Outcome
    from matted.telling import Teller

LOG = logging.getLogger(__name__)

BATCH_EXAMPLES = """\b
Examples:
  matted batch jobs.toml --plan
  matted batch jobs.toml
  matted batch jobs.toml --only hero_010,hero_020 --local
  matted batch jobs.yaml --workers 2 --report morning.html
  matted batch jobs.csv --scheduler tcp://farm.studio:8786 --wait 2h --json
  matted batch jobs.toml --export openjd bundle
"""

_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


class Time(click.ParamType[Any]):
    """Seconds, as 90, 45s, 30m or 2h."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number of seconds."""
        if isinstance(value, float | int):
            return float(value)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d)?", value.strip())
        if match is None:
            self.fail(f"'{value}' is not a time like 90, 30m or 2h", param, ctx)
        return float(match[1]) * _SECONDS[match[2] or ""]


@click.command(epilog=BATCH_EXAMPLES)
@click.argument("jobs", type=click.Path(path_type=Path))
@click.option("--plan", is_flag=True, help="Say what it will take, and make nothing.")
@click.option("--only", metavar="SHOT,…", help="Only these shots.")
@click.option("--wait", type=Time(), default=0.0, help="Wait for plates that are not whole yet, at most: 90s, 30m, 2h.")
@click.option("--workers", type=click.IntRange(1), help="Make them by this many processes of this machine.")
@click.option("--scheduler", metavar="URL", help="Make them on the Dask cluster whose scheduler this is.")
@click.option("--local", is_flag=True, help="Work in this process; without any of these the daemon does.")
@click.option("--device", help="cuda, cuda:1, mps or cpu [the best one here]; implies --local without --workers.")
@click.option("--weights", help="For every shot: lite, xmem, or the path of an XMem.pth.")
@click.option("--working-size", type=click.IntRange(0), help="For every shot: shorter side; 0 = plate.")
@click.option("--report", type=click.Path(path_type=Path), help="The report, a page [beside the job file].")
@click.option(
    "--export",
    type=(click.Choice(["openjd", "opencue"]), click.Path(path_type=Path)),
    metavar="FARM DIR",
    help="Make nothing, and write what a farm takes to DIR: openjd or opencue.",
)
@click.option("--show", default="testing", show_default=True, help="The show OpenCue files the export under.")
@json_option
def batch(
    jobs: Path,
    plan: bool,
    only: str | None,
    wait: float,
    workers: int | None,
    scheduler: str | None,
    local: bool,
    device: str | None,
    weights: str | None,
    working_size: int | None,
    report: Path | None,
    export: tuple[str, Path] | None,
    show: str,
    as_json: bool,
) -> None:
    """Make the mattes of every shot in JOBS: a TOML, YAML or CSV file, or a timeline.

    Nothing starts while the file has a problem. What is made already is not made again. The exit code is 0 when every
    shot passed, 3 when one warns, 1 when one fails or could not be made, 2 when nothing was started.
    """
    from matted import api
    from matted.batch.many import make
    from matted.telling import Events, Lines

    _refuse_both({"--workers": workers, "--scheduler": scheduler, "--local": local})
    _refuse_both({"--scheduler": scheduler, "--device": device})
    asked = _read(jobs, {"weights": weights, "working_size": working_size}, as_json)
    asked = _chosen(asked, only)
    if plan:
        _tell_plan(asked, device, as_json=as_json)
        return
    _refuse_problems(asked, waits=wait > 0 and export is None, as_json=as_json)
    if export is not None:
        _export(asked, *export, show=show)
        return
    _refuse_page(report or asked.report, as_json=as_json)
    telling: Teller = Events() if as_json else Lines()
    with interruptible() as stopped, telling:
        with api.engine(workers=workers, scheduler=scheduler, local=local, device=device) as engine:
            telling.started(asked, type(engine).__name__.lower())
            outcomes = make(asked.entries, engine, tell=telling.tell, stopped=stopped, wait=wait)
        if not (workers or scheduler):
            api.learn(outcomes, device=device)
        raise SystemExit(_end(asked, outcomes, report, telling))


def _read(jobs: Path, overrides: dict[str, Any], as_json: bool) -> Batch:
    """The job file; with problems they are told, and that is the end."""
    from matted.batch.jobfile import JobFileError, read
    from matted.telling import tell_problems

    try:
        return read(jobs, overrides)
    except JobFileError as error:
        tell_problems(error.problems, as_json=as_json)
        raise SystemExit(2) from error


def _refuse_problems(asked: Batch, *, waits: bool, as_json: bool) -> None:
    from matted.batch.jobfile import check
    from matted.telling import tell_problems

    problems = [problem for problem in check(asked) if not (waits and problem.waits)]
    if problems:
        tell_problems(problems, as_json=as_json)
        raise SystemExit(2)


def _refuse_page(page: Path, *, as_json: bool) -> None:
    """See before hours of work that the report may be written; where it may not, that is the end."""
    from matted.batch.page import refuse_foreign

    try:
        refuse_foreign(page.absolute())
    except MattedError as error:
        tell_error(error, as_json=as_json)
        raise SystemExit(2) from error


def _chosen(asked: Batch, only: str | None) -> Batch:
    """The batch with the shots that were asked for."""
    if only is None:
        return asked
    names = [entry.request.name for entry in asked.entries]
    wanted = [name.strip() for name in only.split(",")]
    for name in wanted:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise click.BadParameter(f"there is no shot '{name}' in {asked.file.name}{hint}", param_hint="--only")
    return replace(asked, entries=tuple(entry for entry in asked.entries if entry.request.name in wanted))


def _refuse_both(given: dict[str, Any]) -> None:
    chosen = [name for name, value in given.items() if value]
    if len(chosen) > 1:
        raise click.UsageError(f"{' and '.join(chosen)} cannot both be; choose one.")


def _end(asked: Batch, outcomes: Sequence[Outcome], report: Path | None, telling: Teller) -> int:
    """Write the report and tell how it went; the exit code."""
    from matted.batch.engines.here import mistake
    from matted.batch.many import exit_code
    from matted.batch.page import write_page

    code: int = exit_code(outcomes)
    page: Path | None = (report or asked.report).absolute()
    assert page is not None
    try:
        write_page(page, outcomes, title=asked.name, notes=asked.notes)
    except Exception as error:  # whatever it is, the mattes are made, and how it went is told
        if not isinstance(error, MattedError):
            LOG.exception("the report %s", page)
        tell_error(error if isinstance(error, MattedError) else mistake(error), as_json=False)
        code, page = 1, None
    telling.done(outcomes, code, page)
    return code


def _tell_plan(asked: Batch, device: str | None, *, as_json: bool) -> None:
    from matted import api
    from matted.batch.estimate import plan_text
    from matted.telling import emit

    plan = api.plan(asked, device=device)
    if as_json:
        emit("batch_planned", batch=asked.name, file=asked.file, notes=asked.notes, **plan.plain())
        return
    for note in asked.notes:
        say(note)
    click.echo(plan_text(plan))


def _export(asked: Batch, farm: str, folder: Path, *, show: str) -> None:
    from matted.batch import opencue, openjd

    if farm == "openjd":
        written = openjd.export(asked, folder.absolute())
    else:
        written = opencue.export(asked, folder.absolute(), show=show, shot="batch", user=this_user())
    count = len(asked.entries)
    say(f"{written} is ready; it makes {count} shot{'s' if count > 1 else ''}.")


COMMANDS = (batch,)
