"""The job specification of OpenCue: in the form and order of cjsl-1.15.dtd."""

import shlex
from dataclasses import replace
from xml.etree import ElementTree as xml

import pytest

from fakes.farm_batch import batch_at
from matted.batch.farm import read_handout
from matted.batch.opencue import export
from matted.engine.plan import Direction
from matted.engine.session import SessionSettings

ORDER = {
    "spec": ["facility", "dept", "show", "shot", "user", "email", "uid", "job", "depends"],
    "job": ["paused", "priority", "maxretries", "maxcores", "maxgpus", "autoeat", "localbook", "os", "env", "layers"],
    "layer": ["cmd", "range", "chunk", "cores", "threadable", "memory", "gpus", "gpu_memory", "services"],
    "depend": ["depjob", "deplayer", "depframe", "onjob", "onlayer", "onframe"],
}
"""What may stand in an element, in the order in which it must."""


def exported(batch, folder):
    spec = export(batch, folder, show="testing", shot="roto", user="artist")
    return xml.parse(spec).getroot()


@pytest.mark.parametrize("weights", ["lite", "xmem"])
def test_when_a_batch_is_exported_then_every_element_stands_where_the_form_has_it(tmp_path, checkpoint, weights):
    path = "lite" if weights == "lite" else str(checkpoint)

    spec = exported(batch_at(tmp_path, weights=path), tmp_path / "cue")

    for element in spec.iter():
        if element.tag in ORDER:
            places = [ORDER[element.tag].index(child.tag) for child in element]
            assert places == sorted(places)
    assert ("gpus" in {element.tag for element in spec.iter()}) is (weights == "xmem")


def test_when_a_batch_is_exported_then_its_layers_do_every_piece_in_order(tmp_path):
    spec = exported(batch_at(tmp_path), tmp_path / "a folder")

    layers = {layer.get("name"): layer for layer in spec.iter("layer")}
    words = shlex.split(layers["mattes"].findtext("cmd").replace("#IFRAME#", "2"))

    assert {name: layer.findtext("range") for name, layer in layers.items()} == {
        "mattes": "0-3",
        "finish": "4-5",
        "report": "0",
    }
    assert words == ["matted", "pieces", str(tmp_path / "a folder" / "pieces.json"), "2"]
    assert [(one.findtext("deplayer"), one.findtext("onlayer")) for one in spec.iter("depend")] == [
        ("finish", "mattes"),
        ("report", "finish"),
    ]
    assert len(read_handout(tmp_path / "a folder" / "pieces.json").pieces) == 6


def test_when_shots_cannot_be_cut_then_there_is_no_layer_for_segments(tmp_path):
    batch = batch_at(tmp_path, session=SessionSettings(direction=Direction.FORWARD))

    spec = exported(batch, tmp_path / "cue")

    assert [layer.get("name") for layer in spec.iter("layer")] == ["finish", "report"]
    assert [one.findtext("deplayer") for one in spec.iter("depend")] == ["report"]


@pytest.mark.parametrize("name", ["Reel 2 (night)", "é", "a-b"])
def test_when_a_batch_is_called_anything_then_cuebot_takes_its_name(tmp_path, name):
    spec = exported(replace(batch_at(tmp_path), name=name), tmp_path / "cue")

    assert spec.find("job").get("name").replace("_", "").replace(".", "").isalnum()
    assert spec.find("job").get("name").isascii()
    assert {one.findtext("depjob") for one in spec.iter("depend")} == {spec.find("job").get("name")}
