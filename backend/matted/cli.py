"""The command line: ``matted propagate | suggest | score | folder | weights | check | demo``, and those of ``cli_*``.

Exit codes: 0 done, 1 failed or stopped, 2 the command was not understood. With ``--json`` the result, or the error, is
one JSON object on standard output; everything meant for people goes to standard error.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from matted import cli_batch, cli_daemon, cli_farm
from matted.console import JSON, Progress, interruptible, json_option, number, say, say_suggestions, tell_error
from matted.errors import MattedError
from matted_protocol.errors import DaemonError

if TYPE_CHECKING:
    from matted.batch.job import Job, JobResult
    from matted.batch.request import Request
    from matted_protocol.client import Client

Command = TypeVar("Command", bound=Callable[..., Any])

PROPAGATE_EXAMPLES = """\b
Examples:
  matted propagate shots/hero.####.exr --keyframes roto/hero.####.exr --out mattes
  matted propagate shots/hero.%04d.exr --object hero=roto/hero --object dog=roto/dog --out mattes --layout layers
  matted propagate shots/hero --keyframes roto --range 1001-1048 --weights XMem.pth --out mattes --json
"""
SUGGEST_EXAMPLES = """\b
Examples:
  matted suggest shots/hero.####.exr --keyframes roto/hero.####.exr
  matted suggest shots/hero --keyframes roto --mattes mattes/v001 --count 5 --json
"""
SCORE_EXAMPLES = """\b
Examples:
  matted score mattes/v001/hero known/hero.####.exr
  matted score mattes/v001/hero known --keyframes 1001,1024 --json
"""
WEIGHTS_EXAMPLES = """\b
Examples:
  matted weights list
  matted weights verify lite
  matted weights verify XMem.pth --json
"""
FOLDER_EXAMPLES = """\b
Examples:
  matted folder /mnt/roto
  matted folder D:/matted --layout rgba --weights xmem
  matted folder /mnt/roto --once --quiet 5
"""
CHECK_EXAMPLES = """\b
Examples:
  matted check
  matted check --json
"""
DEMO_EXAMPLES = """\b
Examples:
  matted demo
  matted demo /tmp/first-matte
"""


class Main(click.Group):
    """Turns our errors, and the daemon's, into a message, a hint and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an error of ours ends it with exit code 1."""
        try:
            return super().invoke(ctx)
        except (MattedError, DaemonError) as error:
            tell_error(error, as_json=bool(ctx.meta.get(JSON)))
            ctx.exit(1)


@click.group(cls=Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="matted")
def main() -> None:
    """A few keyframe mattes in; a matte for every frame, and the frames worth masking next, out."""


for _command in (*cli_batch.COMMANDS, *cli_daemon.COMMANDS, *cli_farm.COMMANDS):
    main.add_command(_command)


def _shot_options(command: Command) -> Command:
    """The options that say what shot a command works on and how."""
    options = [
        click.option("--keyframes", "keyframes", type=click.Path(), help="Masks: a folder, a pattern or one file."),
        click.option("--object", "objects", multiple=True, metavar="NAME=MASKS", help="Masks of one named object."),
        click.option("--at", metavar="FRAMES", help="Use only these masks as keyframes: 1001,1024."),
        click.option("--mask-layer", help="EXR layer or channel the masks are in."),
        click.option("--pick", multiple=True, metavar="NAME", help="Take only these names from a Cryptomatte."),
        click.option("--range", "frames", metavar="FIRST-LAST", help="Frames to make mattes for [the whole plate]."),
        click.option("--missing", type=click.Choice(["error", "skip"]), default="error", help="Gaps in the plate."),
        click.option(
            "--frame-offset", type=int, default=0, metavar="N", help="Frame f is the plate's file or picture f + N [0]."
        ),
        click.option(
            "--direction", type=click.Choice(["both", "forward", "backward"]), default="both", show_default=True
        ),
        click.option(
            "--working-size", type=click.IntRange(0), default=480, show_default=True, help="Shorter side; 0 = plate."
        ),
        click.option("--weights", default="lite", show_default=True, help="lite, xmem, or the path of an XMem.pth."),
        click.option("--colorspace", help="The plate's colour space [from the file]."),
        click.option("--exposure", default="auto", show_default=True, help="Stops to add to the plate, or auto."),
        click.option("--part", help="EXR part the plate is in."),
        click.option("--layer", help="EXR layer the plate is in."),
        click.option("--device", help="cuda, cuda:1, mps or cpu [the best one here]; implies --local."),
        click.option("--local", is_flag=True, help="Work in this process, also when a daemon runs."),
        json_option,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _matte_options(command: Command) -> Command:
    """The options that say what a command makes of a shot."""
    options = [
        click.option(
            "--format", "file_format", type=click.Choice(["exr", "png16", "png8"]), default="exr", show_default=True
        ),
        click.option(
            "--layout",
            type=click.Choice(["files", "layers", "rgba", "cryptomatte"]),
            default="files",
            show_default=True,
            help="A file an object, one EXR with layers, four objects as RGBA, or Cryptomatte.",
        ),
        click.option(
            "--suggest", "count", type=click.IntRange(0), default=3, show_default=True, help="Frames to suggest."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@main.command(epilog=PROPAGATE_EXAMPLES)
@click.argument("plate", type=click.Path())
@_shot_options
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Mattes go to OUT/v001, v002, …")
@_matte_options
@click.option("--sheet", type=click.Path(path_type=Path), help="Also make a contact sheet, a PNG.")
def propagate(
    plate: str, out: Path, file_format: str, layout: str, count: int, sheet: Path | None, as_json: bool, **given: Any
) -> None:
    """Make a matte for every frame of PLATE from the keyframe masks."""
    given |= {"out": out, "file_format": file_format, "layout": layout, "count": count}
    request = _request(plate, given)
    with interruptible() as stopped:
        result = _propagate(request, given, silent=as_json, stopped=stopped)
    if sheet is not None:
        from matted.batch.report import make_sheet

        make_sheet(_job(request), result, sheet)
    if as_json:
        click.echo(json.dumps(asdict(result), default=str, ensure_ascii=False))
        return
    say(f"{len(result.confidence)} frames in {result.folder} ({result.computed} made now)")
    say_suggestions(result.suggestions)


@main.command(epilog=SUGGEST_EXAMPLES)
@click.argument("plate", type=click.Path())
@_shot_options
@click.option("--mattes", type=click.Path(path_type=Path), help="Mattes made before; without them they are made now.")
@click.option("--count", type=click.IntRange(1), default=3, show_default=True)
@click.option("--method", type=click.Choice(["doubt", "diversity"]), default="doubt", show_default=True)
@click.option("--alpha", type=click.FloatRange(0, 1), default=0.5, show_default=True, help="Frame 0 to object 1.")
def suggest(
    plate: str, mattes: Path | None, count: int, method: str, alpha: float, as_json: bool, **given: Any
) -> None:
    """Name the frames of PLATE most worth masking next, with the reason for each."""
    from matted import remote
    from matted.batch.suggesting import suggest as suggest_frames
    from matted.engine.suggest import SuggestSettings

    request = _request(plate, given)
    shot = request.shot()
    asked: dict[str, Any] = {
        "session": request.session,
        "mattes": None if mattes is None else _absolute(mattes),
        "count": count,
        "settings": SuggestSettings(method=method, alpha=alpha),  # type: ignore[arg-type]
    }
    with _daemon(given) as client, Progress(as_json) as progress, interruptible() as stopped:
        asked |= {"on_step": progress.step, "stopped": stopped}
        if client:
            found = remote.suggest(client, shot, weights=request.weights, **asked)
        else:
            found = suggest_frames(shot, weights=_load(request.weights, given["device"]), **asked)
    if as_json:
        click.echo(json.dumps([asdict(suggestion) for suggestion in found], ensure_ascii=False))
    else:
        say_suggestions(found)


@main.command(epilog=SCORE_EXAMPLES)
@click.argument("mattes", type=click.Path())
@click.argument("known", type=click.Path())
@click.option("--keyframes", metavar="FRAMES", help="Frames not to count, because they were given: 1001,1024.")
@json_option
def score(mattes: str, known: str, keyframes: str | None, as_json: bool) -> None:
    """Compare MATTES of one object with KNOWN ones: region J, boundary F, edge difference, flicker."""
    from matted.batch.report import score_sequence

    result = score_sequence(mattes, known, leave_out=_frame_list(keyframes, "--keyframes") or ())
    if as_json:
        click.echo(json.dumps({**asdict(result), "j_and_f": result.j_and_f}))
        return
    click.echo(f"frames            {result.frames}")
    click.echo(f"J (region)        {result.j:.4f}")
    click.echo(f"F (DAVIS)         {result.f:.4f}")
    click.echo(f"F (2 px)          {result.f_tight:.4f}")
    click.echo(f"J&F               {result.j_and_f:.4f}")
    click.echo(f"edge band MAD     {number(result.edge_mad)}")
    click.echo(f"flicker (dtSSD)   {number(result.flicker)}")


@main.command(epilog=FOLDER_EXAMPLES)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--once", is_flag=True, help="Do what is there, then end; 1 is the exit code if a shot has a problem.")
@click.option(
    "--quiet", type=click.FloatRange(0), default=20, show_default=True, help="Seconds without a change before work."
)
@_matte_options
@click.option("--working-size", type=click.IntRange(0), default=480, show_default=True, help="Shorter side; 0 = plate.")
@click.option("--weights", default="lite", show_default=True, help="lite, xmem, or the path of an XMem.pth.")
@click.option("--colorspace", help="The plates' colour space [from the files].")
@click.option("--device", help="cuda, cuda:1, mps or cpu [the best one here]; implies --local.")
@click.option("--local", is_flag=True, help="Work in this process, also when a daemon runs.")
def folder(folder: Path, once: bool, quiet: float, **given: Any) -> None:
    """Watch FOLDER: shots dropped into it as SHOT/plate and SHOT/masks get their mattes in SHOT/mattes."""
    from matted.batch.dropped import Dropped, Watch, plate_path

    if not folder.is_dir():
        raise click.BadParameter(f"'{folder}' is no folder", param_hint="FOLDER")
    with interruptible() as stopped:

        def make(shot: Dropped) -> JobResult:
            assert shot.plate is not None
            masks = {
                "keyframes": None if shot.masks is None else str(shot.masks),
                "objects": [f"{name}={path}" for name, path in shot.objects],
            }
            request = _request(str(plate_path(shot.plate)), {**given, **masks, "out": shot.out})
            return _propagate(request, given, silent=False, stopped=stopped)

        watch = Watch(_absolute(folder), make, quiet=quiet, say=say)
        watch.look()
        say(f"Watching {watch.top}; Ctrl-C stops." if not once else f"Looking at {watch.top}")
        while not stopped():
            _pause(quiet if once else 1.0, stopped)
            watch.look(stopped=stopped)
            if once:
                break
    raise SystemExit(1 if watch.problems else 0)


@main.group()
def weights() -> None:
    """The networks' weights: which there are, and whether a file is what it says."""


@weights.command("list", epilog=WEIGHTS_EXAMPLES)
@json_option
def weights_list(as_json: bool) -> None:
    """List the named weights and where they are."""
    from matted import weights as known

    rows = known.listing(known.default_folder())
    if as_json:
        click.echo(json.dumps(rows, default=str, ensure_ascii=False))
        return
    for row in rows:
        click.echo(f"{row['name']:6} {row['state']:10} {row['licence']:8} {row['note']}")


@weights.command("verify", epilog=WEIGHTS_EXAMPLES)
@click.argument("name_or_path", default="lite")
@json_option
def weights_verify(name_or_path: str, as_json: bool) -> None:
    """Load weights strictly and print what they are."""
    from matted import weights as known

    report = known.verify(name_or_path, folder=known.default_folder())
    if as_json:
        click.echo(json.dumps(report, default=str, ensure_ascii=False))
        return
    for name, value in report.items():
        click.echo(f"{name:12} {value}")


@weights.command("fetch", epilog=WEIGHTS_EXAMPLES)
@click.argument("name")
def weights_fetch(name: str) -> None:
    """Download named weights from their authors, and verify them."""
    from matted import weights as known

    told = 0

    def tell(done: int, total: int | None) -> None:
        nonlocal told
        if done - told >= 20 * 2**20:
            told = done
            say(f"{done / 2**20:.0f} MB" + (f" of {total / 2**20:.0f}" if total else ""))

    path = known.fetch(name, known.default_folder(), tell)
    say(f"{name} is in {path}")


@main.command(epilog=CHECK_EXAMPLES)
@json_option
def check(as_json: bool) -> None:
    """Say what this machine has for matted, and what to do about what it lacks."""
    from matted.check import check_all

    findings = check_all(ocio=os.environ.get("OCIO"))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name:14} {finding.found}")
            if finding.remedy:
                click.echo(f"     {'':14} -> {finding.remedy}")
    if not all(finding.ok for finding in findings):
        raise SystemExit(1)


@main.command(epilog=DEMO_EXAMPLES)
@click.argument("folder", type=click.Path(path_type=Path), default=Path("demo"))
@click.option("--device", help="cuda, cuda:1, mps or cpu [the best one here].")
@json_option
def demo(folder: Path, device: str | None, as_json: bool) -> None:
    """Draw a shot with known mattes, propagate three keyframes over it, score and show the result."""
    from matted.batch.report import make_sheet, score_sequence
    from matted.demo import draw_demo

    folder = _absolute(folder)
    say(f"Drawing the demo shot in {folder}")
    drawn = draw_demo(folder, on_frame=lambda frame: say(f"drew frame {frame}") if frame % 12 == 0 else None)
    given = {"keyframes": str(drawn.keyframes), "out": folder / "mattes", "device": device, "local": True}
    request = _request(str(drawn.plate), given)
    with interruptible() as stopped:
        result = _propagate(request, given, silent=as_json, stopped=stopped)
    job = _job(request)
    frames = job.shot.keyframes.frames
    scores = {
        name: score_sequence(result.folder / name, known, leave_out=frames) for name, known in drawn.mattes.items()
    }
    sheet = result.folder / "sheet.png"
    if not sheet.exists():
        make_sheet(job, result, sheet, scores=scores)
    if as_json:
        told = {**asdict(result), "scores": {name: asdict(found) for name, found in scores.items()}, "sheet": sheet}
        click.echo(json.dumps(told, default=str, ensure_ascii=False))
        return
    for name, found in scores.items():
        say(
            f"{name:8} J {found.j:.3f}  F {found.f:.3f}  edge {number(found.edge_mad)}  flicker {number(found.flicker)}"
        )
    say_suggestions(result.suggestions)
    say(f"Plate          {drawn.plate}")
    say(f"Mattes         {result.folder}")
    say(f"Contact sheet  {sheet}")


def _propagate(request: Request, given: dict[str, Any], *, silent: bool, stopped: Callable[[], bool]) -> JobResult:
    """Make the mattes of a shot, by the daemon that runs or here."""
    from matted.batch.bench import Bench
    from matted.batch.engines import Said
    from matted.batch.engines.daemon import Daemon
    from matted.batch.engines.here import Here
    from matted.batch.many import make_one
    from matted.weights import choose_device

    with _daemon(given) as client, Progress(silent) as progress:
        engine = Daemon(client, priority="interactive") if client else Here(Bench(choose_device(given["device"])))
        with engine:
            return make_one(
                request,
                engine,
                tell=lambda told: say(told.text) if isinstance(told, Said) else progress.step(told),
                stopped=stopped,
            )


def _job(request: Request) -> Job:
    """The job of a request that has been made."""
    from matted.weights import default_folder, identify

    return request.job(identify(request.weights, folder=default_folder()))


def _load(weights: str, device: str | None) -> Any:
    """The network, on its device."""
    from matted.weights import choose_device, default_folder, load

    return load(weights, device=choose_device(device), folder=default_folder())


@contextmanager
def _daemon(given: dict[str, Any]) -> Iterator[Client | None]:
    """The daemon that runs, unless the work is to be done here."""
    from matted.remote import find_daemon

    client = None if given["local"] or given["device"] else find_daemon()
    try:
        with client or nullcontext():
            yield client
    except DaemonError as error:
        if error.code == "path_outside":
            error.hint += " Or work without it: --local."
        raise


def _request(plate: str, given: dict[str, Any]) -> Request:
    """Read every option once into values the rooms below understand."""
    from matted.batch.keyframes import MaskSource
    from matted.batch.request import Request
    from matted.engine.plan import Direction
    from matted.engine.session import SessionSettings
    from matted.media.color import ColorSettings
    from matted.media.matte import MatteSettings

    layer, pick = given.get("mask_layer"), given.get("pick") or None
    sources = [MaskSource(_absolute(path), name, layer, pick) for name, path in _objects(given.get("objects"))]
    if given.get("keyframes"):
        sources.append(MaskSource(_absolute(given["keyframes"]), None, layer, pick))
    return Request(
        plate=str(_absolute(plate)),
        masks=tuple(sources),
        out=_absolute(given.get("out", "")),
        at=_frame_list(given.get("at"), "--at"),
        frames=_frames(given.get("frames")),
        missing=given.get("missing", "error"),
        frame_offset=given.get("frame_offset", 0),
        part=given.get("part"),
        layer=given.get("layer"),
        color=ColorSettings(
            given.get("colorspace"), _exposure(given.get("exposure", "auto")), _config(os.environ.get("OCIO"))
        ),
        weights=_weights(given.get("weights", "lite")),
        session=SessionSettings(
            working_size=given.get("working_size", 480), direction=Direction(given.get("direction", "both"))
        ),
        mattes=MatteSettings(format=given.get("file_format", "exr"), layout=given.get("layout", "files")),
        suggestions=given.get("count", 3),
    )


def _weights(name_or_path: str) -> str:
    """A network's name, or a path that means the same from every working directory."""
    from matted.weights import KNOWN

    return name_or_path if name_or_path in KNOWN else str(_absolute(name_or_path))


def _absolute(path: str | Path) -> Path:
    """A path that means the same from every working directory."""
    from matted.batch.request import absolute

    return absolute(path)


def _config(ocio: str | None) -> str | None:
    """What ``$OCIO`` names, the same from every working directory."""
    return ocio if not ocio or ocio.startswith("ocio://") else str(_absolute(ocio))


def _pause(seconds: float, stopped: Callable[[], bool]) -> None:
    """Wait, unless a person wants it to stop."""
    until = time.monotonic() + seconds
    while not stopped() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 0.2))


def _objects(given: Sequence[str] | None) -> list[tuple[str, str]]:
    pairs = []
    for text in given or ():
        name, equals, path = text.partition("=")
        if not (equals and name.strip() and path):
            raise click.BadParameter(f"'{text}' is not NAME=MASKS", param_hint="--object")
        pairs.append((name.strip(), path))
    return pairs


def _frames(text: str | None) -> Any:
    from matted_protocol.frames import FrameRange

    if text is None:
        return None
    try:
        return FrameRange.parse(text)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--range") from error


def _frame_list(text: str | None, option: str) -> tuple[int, ...] | None:
    try:
        return None if text is None else tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(f"'{text}' is not a list of frames like 1001,1024", param_hint=option) from error


def _exposure(text: str) -> Any:
    if text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError as error:
        raise click.BadParameter(f"'{text}' is neither a number of stops nor auto", param_hint="--exposure") from error
