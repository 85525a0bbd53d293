"""A batch as a job bundle of Open Job Description, as farms take it and Deadline Cloud submits it.

The template has a job environment that keeps one warm daemon a session, and three steps: the pieces of all shots in
chunks, the finish of every shot, and the report. What follows is fixed by the specification: Template Schemas 2023-09
with the extension TASK_CHUNKING (RFC 0001), and Deadline Cloud's names for the files of a bundle.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from matted.batch.estimate import estimate
from matted.batch.farm import Handout, hand_out, refuse_other_folder, write_handout, write_whole
from matted.batch.jobfile import Batch, Entry

PIECES, TEMPLATE = "pieces.json", "template.yaml"
GRACE = 120
"""Seconds that a task asked to stop has for the frame at hand."""


@dataclass(frozen=True)
class Needs:
    """What a host must have to be given the pieces."""

    vcpu: int = 2
    """Processor cores."""
    memory: int = 4096
    """MiB."""
    gpu: int = 0
    """GPUs: none for ``lite``, which runs on any CPU."""


def export(batch: Batch, folder: Path) -> Path:
    """Plan a batch, claiming every shot's folder, and write its bundle.

    Args:
        batch: the job file's content, which has no problems.
        folder: new, empty, or with an earlier bundle in it, which is then replaced.

    Returns:
        The template.

    Raises:
        OutputError: output_unwritable when the folder holds something else; disk_full.
        MattedError: a shot's plate, masks, weights or output are not as they should be.
    """
    refuse_other_folder(folder, PIECES)
    handout = hand_out(batch.name, batch.entries)
    template = folder / TEMPLATE
    template.unlink(missing_ok=True)  # an earlier one must not be submitted with other pieces
    write_handout(folder / PIECES, handout)
    _write(folder / "asset_references.yaml", asset_references(batch.entries, handout))
    _write(folder / "parameter_values.yaml", parameter_values())
    _write(template, job_template(handout, needs(batch.entries)))
    return template


def needs(entries: Iterable[Entry]) -> Needs:
    """What the hosts need: memory for the largest shot and half as much again, and a GPU for all but ``lite``."""
    requests = [entry.request for entry in entries]
    least = Needs() if all(request.weights == "lite" for request in requests) else Needs(vcpu=4, memory=8192, gpu=1)
    largest = 1.5 * estimate(requests, device="cpu").memory
    return replace(least, memory=max(least.memory, 1024 * math.ceil(largest / 2**30)))


def job_template(handout: Handout, host: Needs) -> dict[str, Any]:
    """The job template of a batch, which holds no path of any machine."""
    last, first_finish = len(handout.pieces) - 1, handout.finishes[0]
    mattes = [_step("Mattes", f"0-{first_finish - 1}", host, after=None)] if first_finish else []
    steps = [*mattes, _step("Finish", f"{first_finish}-{last}", host, after="Mattes" if mattes else None), _report()]
    return {
        "specificationVersion": "jobtemplate-2023-09",
        "extensions": ["TASK_CHUNKING"],
        "name": _plain_name(handout.batch),
        "description": f"Mattes in {last + 1} pieces; shots: {len(handout.finishes)}.",
        "parameterDefinitions": _PARAMETERS,
        "jobEnvironments": [_ENVIRONMENT],
        "steps": steps,
    }


def parameter_values() -> dict[str, Any]:
    """The parameters as Deadline Cloud's bundles give them; paths are the template's own, beside it."""
    given = [definition for definition in _PARAMETERS if definition["type"] != "PATH"]
    return {"parameterValues": [{"name": each["name"], "value": each["default"]} for each in given]}


def asset_references(entries: Iterable[Entry], handout: Handout) -> dict[str, Any]:
    """What Deadline Cloud brings to its hosts where they share no storage, and what it brings back."""
    inputs: set[str] = set()
    for entry in entries:
        inputs |= {str(path) for path in _inputs(entry)}
    folders = [handout.pieces[place]["folder"] for place in handout.finishes]
    inputs |= {str(Path(folder) / "matted.json") for folder in folders}  # the claim: hosts hold it against their files
    return {
        "assetReferences": {
            "inputs": {"filenames": sorted(inputs), "directories": []},
            "outputs": {"directories": sorted(folders)},
            "referencedPaths": [],
        }
    }


def _inputs(entry: Entry) -> Iterable[Path]:
    request, shot = entry.request, entry.request.shot()
    yield entry.file
    yield from shot.plate.sequence.files.values()
    for found in shot.keyframes.files.values():
        yield from (path for _, path in found)
    named = (request.weights, request.color.config or "")
    yield from (Path(path) for path in named if Path(path).is_absolute())


def _write(file: Path, content: dict[str, Any]) -> None:
    write_whole(file, yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120))


def _plain_name(name: str) -> str:
    """A job's name as the specification wants it: 1 to 128 characters, none of them a control, no format string."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]|\{\{|\}\}", " ", name).strip()[:128] or "matted"


def _matted(*words: str, seconds: int | None = None) -> dict[str, Any]:
    """An action that runs a command of matted and is asked to stop before it is made to."""
    stop = {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": GRACE}
    action: dict[str, Any] = {"command": "{{Param.MattedCommand}}", "args": list(words), "cancelation": stop}
    return action if seconds is None else {**action, "timeout": seconds}


def _step(name: str, places: str, host: Needs, *, after: str | None) -> dict[str, Any]:
    """A step that does the pieces at ``places``, in chunks of neighbours."""
    chunks = {
        "defaultTaskCount": "{{Param.ChunkSize}}",
        "targetRuntimeSeconds": "{{Param.ChunkSeconds}}",
        "rangeConstraint": "CONTIGUOUS",
    }
    amounts = {"vcpu": host.vcpu, "memory": host.memory, "gpu": host.gpu}
    needed = [{"name": f"amount.worker.{what}", "min": least} for what, least in amounts.items() if least]
    words = ("pieces", "{{Param.Pieces}}", "{{Task.Param.Piece}}", *_PATHS, "--weights", "{{Param.Weights}}")
    parameter = {"name": "Piece", "type": "CHUNK[INT]", "range": places, "chunks": chunks}
    return {
        "name": name,
        **({"dependencies": [{"dependsOn": after}]} if after else {}),
        "hostRequirements": {"amounts": needed},
        "parameterSpace": {"taskParameterDefinitions": [parameter]},
        "script": {"actions": {"onRun": _matted(*words)}},
    }


def _report() -> dict[str, Any]:
    words = ("farm", "report", "{{Param.Pieces}}", "{{Param.Report}}", *_PATHS, "--accept", "{{Param.Accept}}")
    return {
        "name": "Report",
        "dependencies": [{"dependsOn": "Finish"}],
        "script": {"actions": {"onRun": _matted(*words)}},
    }


_PATHS = ("--path-mapping", "{{Session.PathMappingRulesFile}}", "--openjd")
_PARAMETERS: list[dict[str, Any]] = [
    {
        "name": "Pieces",
        "type": "PATH",
        "objectType": "FILE",
        "dataFlow": "IN",
        "default": PIECES,
        "description": "The pieces of every shot.",
    },
    {
        "name": "Report",
        "type": "PATH",
        "objectType": "FILE",
        "dataFlow": "OUT",
        "default": "report.html",
        "description": "Where the report of the job goes.",
    },
    {
        "name": "Accept",
        "type": "STRING",
        "default": "warn",
        "allowedValues": ["pass", "warn", "fail"],
        "description": "The worst verdict of a shot with which the job still succeeds.",
    },
    {
        "name": "MattedCommand",
        "type": "STRING",
        "default": "matted",
        "minLength": 1,
        "description": "How the hosts call matted.",
    },
    {
        "name": "Weights",
        "type": "STRING",
        "default": "",
        "description": "Where the hosts have the weights, or their name; empty takes what the batch names.",
    },
    {
        "name": "ChunkSize",
        "type": "INT",
        "default": 4,
        "minValue": 1,
        "description": "Pieces a task begins with.",
    },
    {
        "name": "ChunkSeconds",
        "type": "INT",
        "default": 600,
        "minValue": 0,
        "description": "Seconds a task should take; the farm fits the pieces a task to it. 0 keeps ChunkSize.",
    },
]
_ENVIRONMENT: dict[str, Any] = {
    "name": "matted",
    "description": "One warm daemon, which all tasks of a session share: networks and keyframes stay loaded.",
    "script": {
        "actions": {
            "onEnter": _matted("farm", "start", "{{Session.WorkingDirectory}}", seconds=600),
            "onExit": _matted("farm", "stop", "{{Session.WorkingDirectory}}", seconds=300),
        }
    },
}
