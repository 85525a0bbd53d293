"""A batch as a job specification of OpenCue, as Cuebot launches it: layers for pieces, finishes and the report.

The form is that of ``cjsl-1.15.dtd``. A frame of a layer is a piece; Cuebot puts its number in the place of
``#IFRAME#``. OpenCue maps no paths and keeps no session: hosts see the submitting machine's paths, and a piece loads
its network itself unless a daemon runs on the host and ``MATTED_CONNECTION_FILE`` names it.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from xml.etree import ElementTree as xml

from matted.batch.farm import Handout, hand_out, refuse_other_folder, write_handout, write_whole
from matted.batch.jobfile import Batch
from matted.batch.openjd import Needs, needs

PIECES, SPEC = "pieces.json", "job.xml"
DOCTYPE = '<!DOCTYPE spec PUBLIC "SPI Cue  Specification Language" "http://localhost:8080/spcue/dtd/cjsl-1.15.dtd">'
PLACE = "#IFRAME#"


def export(batch: Batch, folder: Path, *, show: str, shot: str, user: str) -> Path:
    """Plan a batch, claiming every shot's folder, and write its job specification.

    Cuebot wants words of at least three letters for ``show`` and ``shot``, and launches nothing for root.

    Args:
        batch: the job file's content, which has no problems.
        folder: new, empty, or with an earlier export in it, which is then replaced.
        show: a show that Cuebot knows.
        shot: what Cuebot files the job under.
        user: whose job it is.

    Returns:
        The specification, for ``opencue.api.launchSpec``.

    Raises:
        OutputError: output_unwritable when the folder holds something else; disk_full.
        MattedError: a shot's plate, masks, weights or output are not as they should be.
    """
    refuse_other_folder(folder, PIECES)
    handout = hand_out(batch.name, batch.entries)
    spec = folder / SPEC
    spec.unlink(missing_ok=True)  # an earlier one must not be launched with other pieces
    write_handout(folder / PIECES, handout)
    job = job_spec(handout, needs(batch.entries), folder, show=show, shot=shot, user=user)
    xml.indent(job)
    write_whole(spec, f'<?xml version="1.0"?>\n{DOCTYPE}\n{xml.tostring(job, encoding="unicode")}\n')
    return spec


def job_spec(handout: Handout, host: Needs, folder: Path, *, show: str, shot: str, user: str) -> xml.Element:
    """The specification of a batch whose pieces are in ``folder``."""
    pieces, first_finish = str(folder / PIECES), handout.finishes[0]
    name = "matted_" + re.sub(r"[^a-z0-9.]+", "_", handout.batch.lower())  # letters Cuebot allows, and not too few
    spec = _element("spec", show=show, shot=shot, user=user)
    job = xml.SubElement(spec, "job", name=name)
    job.extend([_text("paused", "False"), _text("maxretries", "2"), _text("autoeat", "False")])
    layers, depends = xml.SubElement(job, "layers"), xml.SubElement(spec, "depends")
    if first_finish:
        layers.append(_layer("mattes", f"0-{first_finish - 1}", ["pieces", pieces, PLACE], host))
        depends.append(_depend(name, "finish", "mattes"))
    layers.append(_layer("finish", f"{first_finish}-{len(handout.pieces) - 1}", ["pieces", pieces, PLACE], host))
    words = ["farm", "report", pieces, str(folder / "report.html"), "--accept", "warn"]
    layers.append(_layer("report", "0", words, Needs(vcpu=1, memory=2048)))
    depends.append(_depend(name, "report", "finish"))
    return spec


def _layer(name: str, places: str, words: list[str], host: Needs) -> xml.Element:
    layer = xml.Element("layer", name=name, type="Render")
    given = {"cmd": shlex.join(["matted", *words]), "range": places, "chunk": "1"}
    given |= {"cores": f"{host.vcpu}.0", "memory": f"{host.memory}m"}
    given |= {"gpus": str(host.gpu), "gpu_memory": "4g"} if host.gpu else {}
    layer.extend([_text(tag, text) for tag, text in given.items()])
    xml.SubElement(layer, "services").append(_text("service", "shell"))
    return layer


def _depend(job: str, layer: str, on: str) -> xml.Element:
    depend = _element("depend", depjob=job, deplayer=layer, onjob=job, onlayer=on)
    depend.set("type", "LAYER_ON_LAYER")
    depend.set("anyframe", "False")
    return depend


def _element(tag: str, **texts: str) -> xml.Element:
    element = xml.Element(tag)
    element.extend([_text(name, text) for name, text in texts.items()])
    return element


def _text(tag: str, text: str) -> xml.Element:
    element = xml.Element(tag)
    element.text = text
    return element
