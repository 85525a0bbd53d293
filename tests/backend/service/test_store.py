import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from matted.errors import RequestError
from matted.service.job_store import JobRow
from matted.service.store import MaskRow, Store
from matted_protocol.errors import DaemonError

CONTENT = {"plate": {"path": "/a.####.exr"}, "objects": ["hero"]}


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "state")
    yield opened
    opened.close()


def again(store):
    """The store as the next daemon finds it."""
    store.close()
    return Store(store.folder)


def mask(store, frame=1001, content=b"mask", names=("hero",), object_="hero"):
    return MaskRow(frame, object_, "mask.exr", store.keep_mask(content, "mask.exr"), names)


def job(shot, id_="a" * 16, masks=(), **changes):
    content = {"masks": [{"sha256": each.sha256} for each in masks]}
    row = JobRow(id_, 0, shot, "anna", "propagate", "interactive", "queued", content, "v001", 5, 0, 0, None)
    return replace(row, **changes)


def masks_on_disk(store):
    return {path.name for path in (store.folder / "masks").glob("*")}


def test_when_a_shot_is_opened_twice_then_it_is_one_shot_of_its_user(store):
    first, second = store.open_shot("anna", CONTENT), store.open_shot("anna", CONTENT)
    other = store.open_shot("ben", CONTENT)

    assert first == second == store.shot(first.id)
    assert other.id != first.id
    assert [row.id for row in store.shots()] == [first.id, other.id]
    assert store.shots("ben") == [other]
    assert store.shot("0" * 16) is None


def test_when_objects_come_with_masks_then_ids_count_on_and_stay(store):
    shot = store.open_shot("anna", CONTENT).id

    store.set_keyframe(shot, mask(store, names=("red", "hero", "blue"), object_=None))
    store.remove_keyframe(shot, 1001, None)
    store.set_keyframe(shot, mask(store, names=("sky",), object_="sky"))

    assert store.objects(shot) == [(1, "hero"), (2, "red"), (3, "blue"), (4, "sky")]
    assert again(store).objects(shot) == store_objects(store.folder, shot)


def store_objects(folder, shot):
    with sqlite3.connect(folder / "matted.db") as db:
        found = db.execute("SELECT id, name FROM objects WHERE shot = ? ORDER BY id", (shot,)).fetchall()
    db.close()
    return found


def test_when_a_keyframe_is_set_again_then_only_the_new_mask_is_there(store):
    shot = store.open_shot("anna", CONTENT).id
    old, new, whole = mask(store, content=b"old"), mask(store, content=b"new"), mask(store, 1005, object_=None)

    for each in (whole, old, new):
        store.set_keyframe(shot, each)

    reopened = again(store)
    assert reopened.keyframes(shot) == [new, whole]
    assert reopened.mask_path(new.sha256, "mask.exr").read_bytes() == b"new"
    reopened.close()


def test_when_one_object_of_a_keyframe_is_removed_then_the_others_stay(store):
    shot = store.open_shot("anna", CONTENT).id
    hero, sky = mask(store), mask(store, names=("sky",), object_="sky")
    store.set_keyframe(shot, hero)
    store.set_keyframe(shot, sky)

    assert store.remove_keyframe(shot, 1001, "sky") == 1
    assert store.keyframes(shot) == [hero]
    assert store.remove_keyframe(shot, 1001, None) == 1
    assert store.remove_keyframe(shot, 1001, None) == 0


def test_when_a_shot_is_gone_then_no_late_request_brings_parts_of_it_back(store):
    shot = store.open_shot("anna", CONTENT).id
    late = mask(store)
    store.delete_shot(shot)

    with pytest.raises(RequestError) as refused:
        store.set_keyframe(shot, late)
    assert refused.value.code == "shot_missing"
    with pytest.raises(RequestError):
        store.submit(job(shot))
    assert store.open_shot("anna", CONTENT).id == shot
    assert store.keyframes(shot) == [] and store.jobs() == []


def test_when_a_shot_is_deleted_then_masks_stay_that_others_need(store):
    kept, gone = store.open_shot("anna", CONTENT).id, store.open_shot("ben", CONTENT).id
    shared, own, replaced = mask(store, content=b"shared"), mask(store, content=b"own"), mask(store, content=b"first")
    in_job = mask(store, 1009, content=b"in a job")
    store.set_keyframe(kept, shared)
    store.submit(job(kept, masks=[in_job]))
    store.set_keyframe(gone, replaced)
    store.set_keyframe(gone, own)
    store.set_keyframe(gone, replace(shared, frame=1003))
    store.set_keyframe(gone, in_job)
    store.submit(job(gone, "b" * 16, masks=[replaced]))
    store.add_event("b" * 16, "frame_done", {"frame": 1001}, frame=1001)
    for folder in (store.plate_folder(gone), store.matte_folder(gone), store.plate_folder(kept)):
        folder.mkdir(parents=True)

    store.delete_shot(gone)

    assert masks_on_disk(store) == {shared.sha256, in_job.sha256}
    assert store.shot(gone) is None and store.objects(gone) == [] and store.keyframes(gone) == []
    assert [row.id for row in store.jobs()] == ["a" * 16]
    assert store.events("b" * 16, after=0, most=9) == []
    assert not store.plate_folder(gone).exists() and not store.matte_folder(gone).exists()
    assert store.plate_folder(kept).exists()


def test_when_a_mask_is_kept_but_not_noted_yet_then_deleting_another_shot_leaves_it(store):
    shot, other = store.open_shot("anna", CONTENT).id, store.open_shot("ben", CONTENT).id
    store.set_keyframe(other, mask(store))

    coming = mask(store)  # the same content
    store.delete_shot(other)
    store.set_keyframe(shot, coming)

    assert store.mask_path(coming.sha256, "mask.exr").read_bytes() == b"mask"


def test_when_a_mask_was_refused_then_the_next_daemon_drops_it_and_what_a_kill_left(store):
    shot = store.open_shot("anna", CONTENT).id
    needed = mask(store)
    store.set_keyframe(shot, needed)
    mask(store, content=b"refused")
    (store.folder / "masks" / needed.sha256 / ".half").write_bytes(b"ha")
    (store.folder / ".matted-workspace").mkdir()
    (store.folder / ".matted-workspace" / "frame").write_bytes(b"x")
    store.plate_folder(shot).mkdir(parents=True)
    (store.plate_folder(shot) / ".half").mkdir()
    (store.plate_folder(shot) / "plate.1.tif").write_bytes(b"whole")

    reopened = again(store)

    left = {
        path.relative_to(store.folder).as_posix() for path in store.folder.rglob("*") if "matted.db" not in path.name
    }
    assert left == {
        "masks", f"masks/{needed.sha256}", f"masks/{needed.sha256}/mask.exr",
        "plates", f"plates/{shot}", f"plates/{shot}/plate.1.tif",
    }  # fmt: skip
    reopened.close()


def test_when_the_same_job_is_submitted_again_then_it_stays_one_and_an_ended_one_goes_again(store):
    shot = store.open_shot("anna", CONTENT).id
    first = store.submit(job(shot))
    assert (first.state, first.number, first.seq) == ("queued", 1, 0)

    store.set_state(first.id, "running")
    assert store.submit(job(shot, priority="batch")).state == "running"
    assert store.job(first.id).priority == "batch"
    store.add_event(first.id, "frame_done", {"frame": 1001}, frame=1001)
    store.end(first.id, "failed", {"error": {"code": "disk_full"}})
    failed = store.job(first.id)
    assert (failed.state, failed.error, failed.seq, failed.done) == ("failed", {"code": "disk_full"}, 2, 1)

    revived = store.submit(job(shot))
    assert (revived.state, revived.error, revived.number) == ("queued", None, 1)
    assert [event.type for event in store.events(first.id, after=0, most=9)] == ["frame_done"]

    store.end(first.id, "done", {"computed": 4})
    assert store.submit(job(shot)).state == "done"
    assert [event.seq for event in store.events(first.id, after=0, most=9)] == [1, 3]
    store.again(first.id)
    assert store.job(first.id).state == "queued"


def test_when_a_job_is_asked_for_again_as_it_stops_then_it_does_not_stop(store):
    shot = store.open_shot("anna", CONTENT).id
    store.submit(job(shot))
    asked = store.asked("a" * 16)

    store.submit(job(shot))

    assert not store.end("a" * 16, "cancelled", {"error": {"code": "cancelled"}}, asked=asked)
    assert store.job("a" * 16).state == "queued"
    assert store.end("a" * 16, "cancelled", {"error": {"code": "cancelled"}}, asked=store.asked("a" * 16))
    assert store.job("a" * 16).state == "cancelled"


def test_when_a_job_is_gone_then_its_events_and_its_end_leave_nothing(store):
    store.add_event("c" * 16, "frame_done", {"frame": 1}, frame=1)
    store.end("c" * 16, "done", {"computed": 0})

    assert store.job("c" * 16) is None
    assert store.events("c" * 16, after=0, most=9) == []


def test_when_a_frame_is_told_twice_then_it_is_one_event_until_it_is_taken_back(store):
    shot = store.open_shot("anna", CONTENT).id
    store.submit(job(shot))
    for frame in (1001, 1002, 1001):
        store.add_event("a" * 16, "frame_done", {"frame": frame}, frame=frame)
    assert store.frames_done("a" * 16) == {1001, 1002}

    store.forget_frames("a" * 16, [1001])
    store.add_event("a" * 16, "frame_done", {"frame": 1001}, frame=1001)

    assert [(event.seq, event.body["frame"]) for event in store.events("a" * 16, after=0, most=9)] == [
        (2, 1002),
        (3, 1001),
    ]


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("frame"), st.integers(1, 5)),
        st.tuples(st.just("forget"), st.integers(1, 5)),
        st.tuples(st.sampled_from(["degraded", "done", "failed", "submit", "again", "reopen"]), st.just(0)),
    ),
    max_size=30,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_happens_to_a_job_then_event_numbers_only_grow(tmp_path_factory, steps):
    store = Store(tmp_path_factory.mktemp("state"))
    shot = store.open_shot("anna", CONTENT).id
    store.submit(job(shot))
    seen = {}
    for step, frame in steps:
        if step == "frame":
            store.add_event("a" * 16, "frame_done", {"frame": frame}, frame=frame)
        elif step == "forget":
            store.forget_frames("a" * 16, [frame])
        elif step == "degraded":
            store.add_event("a" * 16, "degraded", {"frame": None, "message": "less"})
        elif step in ("done", "failed"):
            store.end("a" * 16, step, {"error": {"code": "internal"}} if step == "failed" else {"computed": 0})
        elif step == "submit":
            store.submit(job(shot))
        elif step == "again":
            store.again("a" * 16)
        else:
            store = again(store)
        events = store.events("a" * 16, after=0, most=100)
        for event in events:  # a number means the same for ever
            assert seen.setdefault(event.seq, event) == event
        assert [event.seq for event in events] == sorted({event.seq for event in events})
        assert store.job("a" * 16).seq == max(seen, default=0)
        assert sum(event.type in ("job_done", "job_failed") for event in events) <= 1
        new = [event.seq for event in events if event.seq == max(seen)]
        assert store.events("a" * 16, after=max(seen, default=0) - 1, most=1) == [e for e in events if e.seq in new]
    store.close()


WRITER = """
import sys
from pathlib import Path
from matted.service.job_store import JobRow
from matted.service.store import MaskRow, Store

store = Store(Path(sys.argv[1]))
shot = store.open_shot("anna", {"objects": []}).id
for number in range(1, 100000):
    sha256 = store.keep_mask(b"%d" % number * 1000, "mask.exr")
    store.set_keyframe(shot, MaskRow(number, "hero", "mask.exr", sha256, ("hero",)))
    job = f"{number:016x}"
    store.submit(JobRow(job, 0, shot, "anna", "propagate", "batch", "queued", {"masks": []}, None, 1, 0, 0, None))
    store.add_event(job, "frame_done", {"frame": number}, frame=number)
    print(number, flush=True)
"""


@pytest.mark.parametrize("most", [3, 40])
def test_when_the_daemon_is_killed_then_all_that_was_acknowledged_is_there_and_whole(tmp_path, most):
    folder = tmp_path / "state"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True) as writer:
        for line in writer.stdout:
            if int(line) >= most:
                os.kill(writer.pid, signal.SIGKILL)
                break
        told = max([most, *(int(line) for line in writer.stdout if line.endswith("\n"))])

    store = Store(folder)

    (shot,) = store.shots()
    keyframes = store.keyframes(shot.id)
    assert told <= len(keyframes) <= told + 1
    for row in keyframes:
        assert store.mask_path(row.sha256, row.name).read_bytes() == b"%d" % row.frame * 1000
    jobs = store.jobs()
    assert told <= len(jobs) <= told + 1
    for row in jobs[:told]:
        assert [event.body["frame"] for event in store.events(row.id, after=0, most=9)] == [int(row.id, 16)]
        assert (row.seq, row.done) == (1, 1)
    store.close()


def test_when_the_state_is_of_another_version_then_it_is_refused_and_left_alone(store):
    store.close()
    with sqlite3.connect(store.folder / "matted.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()

    with pytest.raises(DaemonError) as refused:
        Store(store.folder)

    assert refused.value.code == "state_version"
    assert str(store.folder) in refused.value.message and "--state" in refused.value.hint


@pytest.mark.parametrize("damage", ["no database", "cut", "scrambled"])
def test_when_the_database_is_damaged_then_the_error_says_which_file_and_what_to_do(store, damage):
    store.open_shot("anna", CONTENT)
    store.close()
    path = store.folder / "matted.db"
    content = path.read_bytes()
    path.write_bytes(
        {"no database": b"no database at all", "cut": content[:5000], "scrambled": content[:100] + b"\xff" * 8000}[
            damage
        ]
    )

    with pytest.raises(DaemonError) as refused:
        Store(store.folder)

    assert refused.value.code == "state_damaged"
    assert str(path) in refused.value.message
    assert refused.value.hint


def test_when_the_disk_of_the_state_is_full_then_it_is_an_error_of_the_disk_and_nothing_is_half_noted(store):
    shot = store.open_shot("anna", CONTENT).id
    store.submit(job(shot))
    store._db._db.execute("PRAGMA max_page_count = 1")  # as large as it is now: the file may not grow

    with pytest.raises(OSError, match="full"):
        for number in range(1000):
            store.add_event("a" * 16, "frame_done", {"frame": number, "files": ["x" * 100]}, frame=number)

    store._db._db.execute("PRAGMA max_page_count = 1000000")
    events = store.events("a" * 16, after=0, most=2000)
    assert [event.body["frame"] for event in events] == list(range(number))
    assert store.job("a" * 16).seq == number
    store.add_event("a" * 16, "frame_done", {"frame": number}, frame=number)
    assert store.job("a" * 16).seq == number + 1
