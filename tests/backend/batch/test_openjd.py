"""The bundle of Open Job Description: what the specification's own library says of it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import yaml
from openjd.model import StepParameterSpaceIterator, create_job, decode_job_template, preprocess_job_parameters

from fakes.drawn_shot import save
from fakes.farm_batch import batch_at
from matted.batch.estimate import estimate
from matted.batch.openjd import export, needs
from matted.engine.plan import Direction
from matted.engine.session import SessionSettings
from matted.errors import OutputError

BUNDLE = {"template.yaml", "parameter_values.yaml", "asset_references.yaml", "pieces.json"}


@pytest.fixture
def batch(tmp_path):
    return batch_at(tmp_path)


def read(file):
    return yaml.safe_load(file.read_text())


def job_of(template, **values):
    """The job that the specification's library makes of a template."""
    decoded = decode_job_template(template=read(template), supported_extensions=["TASK_CHUNKING"])
    parameters = preprocess_job_parameters(
        job_template=decoded,
        job_parameter_values=values,
        job_template_dir=template.parent,
        current_working_dir=template.parent,
    )
    return create_job(job_template=decoded, job_parameter_values=parameters)


def chunks(step):
    return [one["Piece"].value for one in StepParameterSpaceIterator(space=step.parameterSpace)]


def test_when_a_batch_is_exported_then_the_bundle_is_a_valid_job_of_all_its_pieces(batch, tmp_path):
    template = export(batch, tmp_path / "bundle")

    job = job_of(template, ChunkSize="3")

    assert {path.name for path in (tmp_path / "bundle").iterdir()} == BUNDLE
    assert job.name == "reel 2"
    assert [step.name for step in job.steps] == ["Mattes", "Finish", "Report"]
    assert [chunks(step) for step in job.steps[:2]] == [["0-2", "3-3"], ["4-5"]]
    assert [[one.dependsOn for one in step.dependencies or ()] for step in job.steps] == [[], ["Mattes"], ["Finish"]]
    assert [environment.name for environment in job.jobEnvironments] == ["matted"]
    assert job.parameters["Pieces"].value == str(tmp_path / "bundle" / "pieces.json")


def test_when_shots_cannot_be_cut_then_there_is_no_step_for_segments(tmp_path):
    batch = batch_at(tmp_path, session=SessionSettings(direction=Direction.FORWARD))

    job = job_of(export(batch, tmp_path / "bundle"))

    assert [step.name for step in job.steps] == ["Finish", "Report"]
    assert not job.steps[0].dependencies


def test_when_a_batch_is_exported_then_its_template_knows_no_machine(batch, tmp_path):
    assert str(tmp_path) not in export(batch, tmp_path / "bundle").read_text()


def test_when_the_name_is_no_plain_text_then_the_job_still_has_one(batch, tmp_path):
    job = job_of(export(replace(batch, name="{{reel}}\n" + "x" * 200), tmp_path / "bundle"))

    assert "{{" not in job.name
    assert len(job.name) <= 128


def test_when_weights_want_a_gpu_then_so_do_the_hosts(batch):
    heavy = [replace(entry, request=replace(entry.request, weights="xmem")) for entry in batch.entries]

    assert (needs(batch.entries).gpu, needs(heavy).gpu) == (0, 1)
    assert needs(heavy).memory > needs(batch.entries).memory


def test_when_a_plate_is_large_then_its_hosts_have_the_memory_the_plan_reckons_with(tmp_path):
    batch = batch_at(tmp_path, names=["hero"], session=SessionSettings(working_size=0))
    plate = save(tmp_path / "large.png", np.zeros((1440, 2560, 3), np.uint8))
    mask = save(tmp_path / "large.exr", np.zeros((1440, 2560, 1), np.float16), channels=("A",))
    for file in (tmp_path / "hero").rglob("*.100?.*"):
        shutil.copy(mask if file.suffix == ".exr" else plate, file)

    planned = estimate([entry.request for entry in batch.entries], device="cpu").memory / 2**20

    assert 1.5 * planned > 4096
    assert 1.5 * planned <= needs(batch.entries).memory <= 1.5 * planned + 1024


def test_when_hosts_share_no_storage_then_the_bundle_names_all_they_need(batch, tmp_path):
    export(batch, tmp_path / "bundle")

    references = read(tmp_path / "bundle" / "asset_references.yaml")["assetReferences"]

    inputs = {*tmp_path.rglob("plate.*.png"), *tmp_path.rglob("mask.*.exr"), tmp_path / "jobs.toml"}
    claims = {tmp_path / name / "out" / "v001" / "matted.json" for name in ("hero", "dog")}
    assert references["inputs"]["filenames"] == sorted(str(path) for path in inputs | claims)
    assert references["outputs"]["directories"] == sorted(str(path.parent) for path in claims)


def test_when_parameters_are_given_then_they_are_those_of_the_template(batch, tmp_path):
    template = export(batch, tmp_path / "bundle")

    given = read(tmp_path / "bundle" / "parameter_values.yaml")["parameterValues"]

    assert job_of(template, **{one["name"]: str(one["value"]) for one in given})


def test_when_it_is_exported_again_then_the_bundle_is_replaced_and_no_folder_more_is_claimed(batch, tmp_path):
    export(batch, tmp_path / "bundle")
    before = (tmp_path / "bundle" / "pieces.json").read_text()
    export(replace(batch, entries=batch.entries[:1]), tmp_path / "bundle")
    export(batch, tmp_path / "bundle")

    assert (tmp_path / "bundle" / "pieces.json").read_text() == before
    assert {path.name for path in (tmp_path / "bundle").iterdir()} == BUNDLE
    assert [path.name for path in (tmp_path / "hero" / "out").iterdir()] == ["v001"]


@pytest.mark.parametrize("content", ["template.yaml", "pieces.json"])
def test_when_the_folder_holds_something_else_then_nothing_is_written(batch, tmp_path, content):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / content).write_text(json.dumps({"mine": True}))

    with pytest.raises(OutputError, match="holds something else") as refused:
        export(batch, tmp_path / "bundle")

    assert refused.value.path == tmp_path / "bundle"
    assert [path.read_text() for path in (tmp_path / "bundle").iterdir()] == ['{"mine": true}']
    assert not (tmp_path / "hero" / "out").exists()
