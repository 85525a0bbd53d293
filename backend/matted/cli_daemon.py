"""The commands that run the daemon and those that ask it: serve, connect-file, status, jobs, cancel, stop."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from matted.console import json_option, say
from matted_protocol.connection import Connection, connection_file, read_connection, running, write_private
from matted_protocol.errors import DaemonError

if TYPE_CHECKING:
    from matted_protocol.client import Client
    from matted_protocol.messages import Job, Status

Command = TypeVar("Command", bound=Callable[..., Any])

SERVE_EXAMPLES = """\b
Examples:
  matted serve
  matted serve --root /mnt/shows --root /mnt/roto --device cuda:0 --memory-budget 24G
  matted serve --bind tcp://0.0.0.0:5790 --root /mnt/shows --map P:/=/mnt
"""
CONNECT_FILE_EXAMPLES = """\b
Examples:
  matted connect-file anna --endpoint tcp://roto1.studio:5790 --save anna.json
  matted connect-file render-farm --endpoint tcp://10.0.0.7:5790 > farm.json
"""
STATUS_EXAMPLES = """\b
Examples:
  matted status
  matted status --json
"""
JOBS_EXAMPLES = """\b
Examples:
  matted jobs
  matted jobs --unfinished --json
"""
CANCEL_EXAMPLES = """\b
Examples:
  matted cancel 3f2a9c0d1e4b5a67
"""
STOP_EXAMPLES = """\b
Examples:
  matted stop
  matted stop --connection roto1.json
"""

STOPPING = 60.0
"""Seconds that the frame at hand may take when the daemon is to stop."""

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Size(click.ParamType[Any]):
    """Bytes, as 500M or 24G."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)B?", value.strip(), re.IGNORECASE)
        if match is None:
            self.fail(f"'{value}' is not a size like 500M or 24G", param, ctx)
        return int(float(match[1]) * _UNITS[match[2].upper()])


class Mapped(click.ParamType[Any]):
    """Two spellings of one folder."""

    name = "theirs=ours"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """(theirs, ours)."""
        theirs, equals, ours = str(value).partition("=")
        if not (equals and theirs and Path(ours).is_absolute()):
            self.fail(f"'{value}' is not THEIRS=OURS, like P:/=/mnt/projects", param, ctx)
        return theirs, ours


_connection_option = click.option(
    "--connection",
    type=click.Path(path_type=Path),
    help="Connection file [$MATTED_CONNECTION_FILE, else yours].",
)
_state_option = click.option(
    "--state", type=click.Path(path_type=Path), help="Folder for shots, keys and the log [beside the connection file]."
)


@click.command(epilog=SERVE_EXAMPLES)
@click.option("--bind", default="tcp://127.0.0.1:*", show_default=True, help="Address; * is any free port.")
@click.option(
    "--root", "roots", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder clients may read and write in; repeat it. Without one, your own programs may name any file.",
)  # fmt: skip
@click.option("--map", "mapping", multiple=True, type=Mapped(), help="How clients spell a folder: P:/=/mnt/shows.")
@click.option("--device", "devices", multiple=True, help="cuda:1, mps, cpu; repeat it [every GPU, else the CPU].")
@click.option("--memory-budget", type=Size(), help="Memory it may hold [half of the machine's].")
@click.option("--spool-budget", type=Size(), default="100G", show_default=True, help="Disk for pixels it keeps.")
@click.option("--idle", type=click.FloatRange(1), default=900, show_default=True, help="Seconds until networks unload.")
@_connection_option
@_state_option
def serve(
    bind: str,
    roots: tuple[Path, ...],
    mapping: tuple[tuple[str, str], ...],
    devices: tuple[str, ...],
    memory_budget: int | None,
    spool_budget: int,
    idle: float,
    connection: Path | None,
    state: Path | None,
) -> None:
    """Run the daemon: networks stay warm, shots stay in memory, and Nuke, Resolve and the command line share them."""
    from matted.service.daemon import Daemon, DaemonSettings, default_state
    from matted.service.log import start_log
    from matted.service.paths import Paths
    from matted.weights import default_folder

    file = (connection or connection_file()).absolute()
    folder = (state or default_state(file)).absolute()
    again = ["serve", "--bind", bind, "--spool-budget", str(spool_budget), "--idle", str(idle)]
    again += [word for root in roots for word in ("--root", str(root.absolute()))]
    again += [word for theirs, ours in mapping for word in ("--map", f"{theirs}={ours}")]
    again += [word for device in devices for word in ("--device", device)]
    again += ["--memory-budget", str(memory_budget)] if memory_budget else []
    again += ["--connection", str(file), "--state", str(folder)]
    settings = DaemonSettings(
        connection_file=file,
        state=folder,
        weights=default_folder(),
        bind=bind,
        paths=Paths(tuple(root.absolute() for root in roots), mapping),
        devices=devices,
        memory_budget=memory_budget,
        spool_budget=spool_budget,
        idle=idle,
        command=(sys.executable, "-m", "matted", *again),
    )
    daemon = Daemon(settings)
    start_log(folder / "log.jsonl")
    daemon.stop_on_signals()
    say(f"matted serves on {daemon.server.endpoint}; clients find it by {file}")
    daemon.run()


@click.command("connect-file", epilog=CONNECT_FILE_EXAMPLES)
@click.argument("name")
@click.option("--endpoint", required=True, help="How the workstation reaches the daemon: tcp://HOST:PORT.")
@click.option("--save", type=click.Path(path_type=Path), help="Write the file here, readable by you alone.")
@_connection_option
@_state_option
def connect_file(name: str, endpoint: str, save: Path | None, connection: Path | None, state: Path | None) -> None:
    """Let the workstation or artist NAME use the daemon: puts a new key on its list and makes the connection file."""
    from matted.service.daemon import default_state
    from matted.service.gate import Gate

    if not re.fullmatch(r"tcp://[^/*]+:\d+", endpoint):
        raise click.BadParameter(f"'{endpoint}' is not tcp://HOST:PORT", param_hint="--endpoint")
    folder = (state or default_state((connection or connection_file()).absolute())).absolute()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    made: Connection = Gate(folder).admit(name, endpoint)
    text = json.dumps(asdict(made), indent=1)
    if save is None:
        click.echo(text)
        return
    if save.exists():
        raise click.BadParameter(f"'{save}' exists already; move it away first", param_hint="--save")
    write_private(save.absolute(), text)
    say(f"{save} lets {name} in. Give it to nobody else; making it again shuts the old one out.")


@click.command(epilog=STATUS_EXAMPLES)
@_connection_option
@json_option
def status(connection: Path | None, as_json: bool) -> None:
    """Say how the daemon is: devices, memory, queue, shots, weights, versions."""
    with _running(connection) as client:
        found = client.status()
    click.echo(json.dumps(asdict(found), ensure_ascii=False) if as_json else _in_words(found))


@click.command(epilog=JOBS_EXAMPLES)
@click.option("--unfinished", is_flag=True, help="Only those that wait or run.")
@_connection_option
@json_option
def jobs(unfinished: bool, connection: Path | None, as_json: bool) -> None:
    """List the daemon's jobs, newest first."""
    with _running(connection) as client:
        found = client.list_jobs(unfinished=unfinished).jobs
    if as_json:
        click.echo(json.dumps([asdict(job) for job in found], ensure_ascii=False))
        return
    for job in found:
        click.echo(_line(job))
    if not found:
        say("There are no jobs.")


@click.command(epilog=CANCEL_EXAMPLES)
@click.argument("job")
@_connection_option
def cancel(job: str, connection: Path | None) -> None:
    """Stop JOB after the frame at hand; its mattes stay, and the same job goes on later."""
    with _running(connection) as client:
        say(_line(client.cancel(job)))


@click.command(epilog=STOP_EXAMPLES)
@_connection_option
def stop(connection: Path | None) -> None:
    """Stop the daemon after the frame at hand; unfinished jobs go on at its next start."""
    with _running(connection) as client:
        client.shutdown()
    path = connection or connection_file()
    until = time.monotonic() + STOPPING
    while (found := read_connection(path)).endpoint and found.pid and time.monotonic() < until:
        time.sleep(0.1)
    say("The daemon has stopped." if not found.endpoint else "The daemon stops after the frame at hand.")


COMMANDS = (serve, connect_file, status, jobs, cancel, stop)


def _running(connection: Path | None) -> Client:
    """A client of a daemon that runs; none is started to ask it how it is."""
    from matted_protocol.client import Client

    path = connection or connection_file()
    found = read_connection(path)
    if not found.endpoint or running(found.pid) is False:
        hint = "Start it with 'matted serve'; unfinished jobs then go on."
        raise DaemonError("no_daemon", "No matted daemon runs here.", hint, path=str(path))
    return Client.connect(path, name="matted command line", start=False, timeout=20.0)


def _line(job: Job) -> str:
    waits = f", {job.ahead} ahead" if job.state == "queued" else ""
    why = f": {job.error.message}" if job.error else ""
    return f"{job.job}  {job.state:9} {job.kind:9} {job.done}/{job.total}  {job.user}  {job.folder or ''}{waits}{why}"


def _in_words(found: Status) -> str:
    gib = 2**30
    lines = [
        f"daemon     matted {found.matted}, process {found.pid}, {found.endpoint}, up {found.uptime / 3600:.1f} h",
        f"state      {found.state}, {found.disk_free / gib:.1f} GiB free",
        f"roots      {', '.join(found.roots) or 'none: any file of yours'}",
        f"memory     {found.memory_used / gib:.2f} of {found.memory_budget / gib:.1f} GiB",
        f"spool      {found.spool_used / gib:.2f} of {found.spool_budget / gib:.1f} GiB",
        f"queue      {found.running} running, {found.queued} waiting; {found.shots} shots, {found.clients} clients",
    ]
    for device in found.devices:
        work = f"job {device.job}" if device.job else "idle"
        memory = f"{device.memory_used / gib:.1f} of {device.memory_total / gib:.1f} GiB"
        loaded = ", ".join(device.weights) or "no network"
        lines.append(f"device     {device.name} ({device.model}), {memory}, {loaded} loaded, {work}")
    lines += [f"weights    {known.name}: {known.state}" for known in found.weights]
    lines.append("versions   " + ", ".join(f"{name} {number}" for name, number in found.versions.items()))
    return "\n".join(lines)
