"""Masks as a job sees them: the same wherever their copies lie, others as soon as anything of them is read otherwise."""

import hashlib
import shutil
from dataclasses import replace

import pytest

from fakes.drawn_job import contents, job_at
from fakes.drawn_shot import write_masks
from matted.batch.job import claim, run
from matted.batch.keyframes import Keyframes, MaskSource, find_keyframes, in_order
from matted.media.plate import Plate


def stored(keyframes, store):
    """The same keyframes from copies kept as ``<store>/<sha256>/<name>``."""
    files = {}
    for frame, found in keyframes.files.items():
        for source, path in found:
            kept = store / hashlib.sha256(path.read_bytes()).hexdigest() / path.name
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, kept)
            files.setdefault(frame, []).append((replace(source, path=kept), kept))
    files = {frame: tuple(found) for frame, found in files.items()}
    sources = tuple(source for found in files.values() for source, _ in found)
    return Keyframes(sources, files, in_order(keyframes.objects), keyframes.size)


@pytest.mark.parametrize("names", [("red", "blue"), (None,)])
def test_when_masks_are_copies_kept_elsewhere_then_the_job_and_its_mattes_are_the_same(tmp_path, names):
    job = job_at(tmp_path)
    plate = job.shot.plate
    sources = [MaskSource(write_masks(tmp_path / str(name), (1001, 1010), row), name) for row, name in enumerate(names)]
    drawn = replace(
        job,
        shot=replace(job.shot, keyframes=find_keyframes(sources, size=plate.info.size, plate=plate.sequence)),
    )
    copied = replace(drawn, shot=replace(drawn.shot, keyframes=stored(drawn.shot.keyframes, tmp_path / "store")))

    assert copied.recipe() == drawn.recipe()
    result = run(drawn)
    assert claim(copied) == result.folder
    assert run(copied).computed == 0
    alone = run(replace(copied, out=tmp_path / "alone"))
    assert contents(alone.folder) == contents(result.folder)


@pytest.mark.parametrize("change", [{"layer": "A"}, {"pick": ("red",)}, {"object": "blue"}])
def test_when_a_mask_is_read_otherwise_then_it_is_another_job(tmp_path, change):
    job = job_at(tmp_path)
    keyframes = job.shot.keyframes
    files = {
        frame: tuple((replace(source, **change), path) for source, path in found)
        for frame, found in keyframes.files.items()
    }
    other = replace(keyframes, files=files)

    assert replace(job, shot=replace(job.shot, keyframes=other)).identity() != job.identity()
    assert other.fingerprint(1001) != keyframes.fingerprint(1001)


def test_when_a_part_of_the_plate_is_chosen_then_it_is_another_job(tmp_path):
    job = job_at(tmp_path)
    plate = Plate(job.shot.plate.sequence, part=0)

    assert replace(job, shot=replace(job.shot, plate=plate)).identity() != job.identity()
