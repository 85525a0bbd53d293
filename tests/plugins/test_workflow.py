"""The buttons on a stand-in host and a real daemon."""

import json
import threading
from dataclasses import asdict
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from fakes.drawn_shot import FIRST, OBJECTS, known, save, write_plate
from fakes.host import FakeHost, refusal, settle
from fakes.running_daemon import DaemonHere, files_in
from matted_plugin import state
from matted_plugin.daemon import Daemon
from matted_plugin.desk import Desk
from matted_plugin.host import HostError, ObjectSource
from matted_plugin.steps import Stopped

FRAMES = list(range(FIRST, FIRST + 8))


def read(path):
    """The alpha of a matte in its display window."""
    image = oiio.ImageBuf(str(path))
    return image.get_pixels(oiio.FLOAT, image.roi_full)[..., 0]


def worst(pattern, row, frames=FRAMES):
    """The largest mean error of the mattes of one object."""
    return max(float(np.abs(read(pattern % frame) - known(frame)[row].numpy()).mean()) for frame in frames)


def mattes_in(folder):
    return {name: content for name, content in files_in(folder).items() if name.endswith(".exr")}


@pytest.fixture
def host(tmp_path):
    return FakeHost(tmp_path / "out")


@pytest.fixture
def on_disk(tmp_path):
    """A host whose plate is on disk as it is."""
    return FakeHost(tmp_path / "out", path=str(write_plate(tmp_path / "plate")))


def propagated(desk, host):
    flow = desk.open(host)
    flow.propagate()
    settle(desk)
    assert not flow.report.error, flow.report
    return flow


def test_when_the_plate_is_on_disk_then_nothing_but_masks_is_rendered_and_every_matte_comes(desk, on_disk, tmp_path):
    flow = propagated(desk, on_disk)

    assert on_disk.rendered == [(FIRST, f"{name}.alpha") for name in OBJECTS]
    shown = on_disk.shown[-1]
    assert shown.complete and shown.frames == (FIRST, FRAMES[-1])
    assert shown.patterns == {name: f"{tmp_path}/out/v001/{name}/{name}.%04d.exr" for name in OBJECTS}
    assert worst(shown.patterns["red"], 0) < 0.03
    assert worst(shown.patterns["blue"], 1) < 0.03
    assert flow.report.sentence == f"8 mattes are ready in {tmp_path}/out/v001."
    assert (flow.state.done, flow.state.total, flow.state.job_state) == (8, 8, "done")


def test_when_mattes_arrive_then_the_host_shows_them_before_the_last(desk, on_disk):
    propagated(desk, on_disk)

    assert on_disk.shown[0].complete is False
    assert [one.complete for one in on_disk.shown].count(True) == 1


def test_when_a_keyframe_exists_then_its_matte_is_the_artists(desk, on_disk):
    propagated(desk, on_disk)

    matte = read(on_disk.shown[-1].patterns["red"] % FIRST)
    assert np.array_equal(matte, known(FIRST)[0].numpy().astype(np.float16))


def test_when_the_mattes_are_done_then_suggestions_come_with_reasons(desk, on_disk):
    flow = propagated(desk, on_disk)

    frames = [frame for frame, _ in flow.suggestions]
    assert frames and set(frames) <= set(FRAMES) - {FIRST}
    assert all(reason.strip() for _, reason in flow.suggestions)
    assert on_disk.marks == ([FIRST], flow.suggestions)


def test_when_the_host_says_something_of_the_mattes_then_the_artist_hears_it_with_the_result(desk, on_disk):
    flow = propagated(desk, on_disk)

    assert flow.report.notes[-1] == "It is shown."


def test_when_the_host_does_not_take_the_mattes_then_they_are_done_and_it_says_why(desk, on_disk):
    on_disk.refuses = HostError("There is no place for them.", "Make room.")

    flow = propagated(desk, on_disk)

    assert flow.state.job_state == "done" and not flow.report.error
    assert flow.report.notes[-2:] == ("There is no place for them.", "Make room.")


def test_when_masks_are_files_then_the_daemon_reads_them_and_the_host_renders_none(desk, on_disk, tmp_path):
    for number, name in enumerate(OBJECTS):
        save(tmp_path / f"{name}.{FIRST}.exr", known(FIRST)[number, :, :, None].numpy().astype(np.float16), ("A",), {})
    files = [str(tmp_path / f"{OBJECTS[0]}.%04d.exr"), str(tmp_path / f"{OBJECTS[1]}.####.exr")]
    on_disk.changed(objects=tuple(ObjectSource(name, files=file) for name, file in zip(OBJECTS, files, strict=True)))

    propagated(desk, on_disk)

    assert not on_disk.rendered
    matte = read(on_disk.shown[-1].patterns["red"] % FIRST)
    assert np.array_equal(matte, known(FIRST)[0].numpy().astype(np.float16))


def test_when_a_mask_file_is_missing_then_the_artist_hears_which(desk, on_disk, tmp_path):
    on_disk.changed(objects=(ObjectSource("red", files=str(tmp_path / "red.%04d.exr")),))
    flow = desk.open(on_disk)

    flow.propagate()
    settle(desk, until=lambda: not flow.busy)

    assert flow.report.error and f"red.{FIRST}.exr" in flow.report.sentence and str(FIRST) in flow.report.sentence


def test_when_a_suggestion_is_dismissed_then_it_is_gone_for_good(desk, on_disk):
    flow = propagated(desk, on_disk)
    frame = flow.suggestions[0][0]

    flow.dismiss(frame)

    assert frame not in [one for one, _ in flow.suggestions]
    assert frame not in [one for one, _ in on_disk.marks[1]]
    assert state.parse(on_disk.project).dismissed == [frame]


def test_when_more_suggestions_are_asked_for_then_that_many_come(desk, on_disk):
    flow = propagated(desk, on_disk)

    flow.suggest(5)
    settle(desk)

    assert len(flow.suggestions) == 5
    assert flow.report.sentence == "5 frames suggested."


def test_when_suggestions_are_asked_for_before_mattes_then_it_says_so(desk, host):
    flow = desk.open(host)

    flow.suggest()
    settle(desk)

    assert flow.report.error and flow.report.sentence == "There are no mattes to judge yet."


def test_when_the_plate_is_not_on_disk_then_each_frame_is_rendered_once_for_all_presses(desk, host):
    propagated(desk, host)
    plates = [frame for frame, channel in host.rendered if channel is None]
    host.changed(keyframes=(FIRST, FRAMES[-1]))
    propagated(desk, host)

    assert plates == FRAMES
    assert [frame for frame, channel in host.rendered if channel is None] == FRAMES
    assert worst(host.shown[-1].patterns["red"], 0) < 0.03


def test_when_the_picture_changed_then_it_is_rendered_again_beside_the_old(desk, host, tmp_path):
    propagated(desk, host)
    before = files_in(tmp_path / "out")
    host.looks = dict.fromkeys(FRAMES, "graded")
    propagated(desk, host)

    assert [frame for frame, channel in host.rendered if channel is None] == FRAMES + FRAMES
    after = files_in(tmp_path / "out")
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("transport", ["paths", "pixels"])
def test_when_the_picture_changed_at_some_frames_then_only_those_are_rendered_again(desk, host, transport, tmp_path):
    host.changed(transport=transport)
    propagated(desk, host)
    host.looks = {FRAMES[3]: "another", FRAMES[5]: "another"}
    flow = propagated(desk, host)

    assert [frame for frame, channel in host.rendered if channel is None] == [*FRAMES, FRAMES[3], FRAMES[5]]
    assert flow.state.folder == f"{tmp_path}/out/v002"
    assert worst(host.shown[-1].patterns["red"], 0) < 0.03


def test_when_the_range_grows_then_only_the_new_frames_are_rendered(desk, host):
    propagated(desk, host)
    host.changed(frames=(FIRST, FRAMES[-1] + 2, 1))
    propagated(desk, host)

    longer = [*FRAMES, FRAMES[-1] + 1, FRAMES[-1] + 2]
    assert [frame for frame, channel in host.rendered if channel is None] == longer


def test_when_a_change_is_taken_back_then_the_first_frames_serve_again(desk, host):
    propagated(desk, host)
    host.looks = dict.fromkeys(FRAMES, "graded")
    propagated(desk, host)
    host.looks = {}
    flow = propagated(desk, host)

    assert [frame for frame, channel in host.rendered if channel is None] == FRAMES + FRAMES
    assert flow.state.folder.endswith("v001")


def test_when_a_keyframe_is_added_then_a_new_version_comes_and_the_old_one_stays(desk, on_disk, tmp_path):
    propagated(desk, on_disk)
    first = files_in(tmp_path / "out" / "v001")
    on_disk.changed(keyframes=(FIRST, FRAMES[-1]))
    propagated(desk, on_disk)

    assert files_in(tmp_path / "out" / "v001") == first
    assert on_disk.shown[-1].patterns["red"] == f"{tmp_path}/out/v002/red/red.%04d.exr"
    assert not list((tmp_path / "out" / "work").rglob("*.exr"))


def test_when_a_keyframe_is_no_longer_wanted_then_the_daemon_forgets_it(desk, on_disk, served):
    on_disk.changed(keyframes=(FIRST, FIRST + 3))
    propagated(desk, on_disk)
    on_disk.changed(keyframes=(FIRST + 3,))
    flow = propagated(desk, on_disk)

    known_ones = served.client().list_keyframes(flow.state.shot)
    assert [one.frame for one in known_ones.keyframes] == [FIRST + 3]


def test_when_pressed_twice_without_a_change_then_it_is_the_same_job(desk, on_disk, tmp_path):
    job = propagated(desk, on_disk).state.job
    flow = propagated(desk, on_disk)

    assert flow.state.job == job
    assert sorted(one.name for one in (tmp_path / "out").glob("v*")) == ["v001"]
    assert flow.state.done == flow.state.total == 8


def test_when_pixels_go_over_the_wire_then_the_mattes_are_written_here(desk, host, tmp_path):
    host.changed(transport="pixels")
    flow = propagated(desk, host)

    assert flow.state.local and flow.state.folder == f"{tmp_path}/out/v001"
    assert worst(f"{tmp_path}/out/v001/red/red.%04d.exr", 0) < 0.03
    assert not list((tmp_path / "out" / "work").rglob("*.exr"))


def test_when_pixels_are_sent_again_then_only_masks_go_and_a_new_version_comes(desk, host, tmp_path):
    host.changed(transport="pixels")
    propagated(desk, host)
    host.changed(keyframes=(FIRST, FRAMES[-1]))
    propagated(desk, host)

    assert [frame for frame, channel in host.rendered if channel is None] == FRAMES
    assert sorted(one.name for one in (tmp_path / "out").glob("v*")) == ["v001", "v002"]
    assert len(files_in(tmp_path / "out" / "v002")) == 16


class Elsewhere(Daemon):
    """A daemon on another machine, as far as the plugin can tell."""

    is_here = False


@pytest.fixture
def far(tmp_path):
    """A daemon that may touch one folder only."""
    (tmp_path / "shared").mkdir()
    from matted.service.paths import Paths

    with DaemonHere(tmp_path / "far", paths=Paths(roots=(tmp_path / "shared",))) as daemon:
        daemon.client()
        yield daemon


def test_when_a_daemon_elsewhere_cannot_read_the_plate_then_pixels_go_and_mattes_come_back(far, on_disk, tmp_path):
    desk = Desk(Elsewhere("fakehost 1.0", file=far.file))
    flow = propagated(desk, on_disk)
    desk.close()

    assert flow.state.local
    assert [frame for frame, channel in on_disk.rendered if channel is None] == FRAMES
    assert worst(f"{tmp_path}/out/v001/blue/blue.%04d.exr", 1) < 0.03


def test_when_a_daemon_elsewhere_reads_the_plate_but_cannot_write_there_then_it_sends_the_mattes(far, tmp_path):
    host = FakeHost(tmp_path / "out", path=str(write_plate(tmp_path / "shared" / "plate")))
    desk = Desk(Elsewhere("fakehost 1.0", file=far.file))
    flow = propagated(desk, host)
    desk.close()

    assert flow.state.local
    assert [frame for frame, channel in host.rendered if channel is None] == []
    assert len(files_in(tmp_path / "out" / "v001")) == 16


def test_when_the_daemon_may_not_read_the_plate_and_files_were_asked_for_then_it_says_why(far, on_disk):
    on_disk.changed(transport="paths")
    desk = Desk(Elsewhere("fakehost 1.0", file=far.file))
    flow = desk.open(on_disk)
    flow.propagate()
    settle(desk)
    desk.close()

    assert flow.report.error and "lies outside" in flow.report.sentence
    assert "--root" in flow.report.hint


def test_when_cancelled_while_rendering_then_it_stops_at_that_frame_and_goes_on_later(desk, host):
    flow = desk.open(host)
    flow.propagate()
    settle(desk, lambda: len(host.rendered) == 3)

    flow.cancel()
    assert not flow.busy
    settle(desk)
    assert len(host.rendered) == 3
    propagated(desk, host)

    assert [frame for frame, channel in host.rendered if channel is None] == FRAMES


def test_when_cancelled_while_the_daemon_works_then_finished_mattes_stay_and_it_goes_on(desk, on_disk, tmp_path):
    on_disk.changed(frames=(FIRST, FIRST + 15, 1))
    flow = desk.open(on_disk)
    flow.propagate()
    settle(desk, lambda: flow.state.done >= 2)

    flow.cancel()
    settle(desk)
    assert flow.state.job_state == "cancelled"
    kept = mattes_in(tmp_path / "out" / "v001")
    assert 4 <= len(kept) < 32
    propagated(desk, on_disk)

    after = mattes_in(tmp_path / "out" / "v001")
    assert len(after) == 32 and kept.items() <= after.items()


def test_when_the_host_cancels_a_render_then_it_is_no_error(desk, host):
    host.fails[FIRST + 2] = Stopped()
    flow = desk.open(host)
    flow.propagate()
    settle(desk)

    assert not flow.report.error and flow.report.sentence.startswith("Stopped.")


def test_when_a_frame_cannot_be_rendered_then_it_says_which_and_earlier_frames_are_kept(desk, host):
    host.fails[FIRST + 2] = refusal(FIRST + 2)
    flow = desk.open(host)
    flow.propagate()
    settle(desk)

    assert flow.report.error
    assert (flow.report.sentence, flow.report.hint) == (f"Frame {FIRST + 2} could not be rendered.", "Look at it.")
    del host.fails[FIRST + 2]
    propagated(desk, host)
    assert [frame for frame, channel in host.rendered if channel is None].count(FIRST) == 1


def test_when_there_is_no_keyframe_then_it_says_what_to_do(desk, host):
    host.changed(keyframes=())
    flow = desk.open(host)
    flow.propagate()
    settle(desk)

    assert flow.report.error and flow.report.hint == host.how_to_key
    assert host.rendered == []


def test_when_a_button_is_pressed_while_one_is_at_work_then_it_waits(desk, host):
    flow = desk.open(host)
    flow.propagate()
    flow.suggest()

    assert flow.report.error and "still at work" in flow.report.sentence
    settle(desk)
    assert flow.state.job_state == "done"


def test_when_the_project_is_closed_and_opened_again_then_the_job_is_found(desk, on_disk, served):
    on_disk.changed(frames=(FIRST, FIRST + 15, 1))
    flow = desk.open(on_disk)
    flow.propagate()
    settle(desk, lambda: flow.state.done >= 2)
    desk.forget()

    later = FakeHost(on_disk.asked.out, stored=on_disk.project)
    again = desk.open(later)
    again.attach()
    settle(desk)

    assert again.state.id == flow.state.id
    assert (again.state.done, again.state.job_state) == (16, "done")
    assert later.shown[-1].complete and again.suggestions


def test_when_the_host_was_killed_before_saving_then_the_file_knows_the_job(served, on_disk):
    stored = on_disk.project = state.save(state.State())
    dead = Desk(Daemon("fakehost 1.0", file=served.file))
    flow = dead.open(on_disk)
    flow.propagate()
    settle(dead, lambda: flow.state.running)
    dead.daemon.close()  # nothing is saved in the project any more

    desk = Desk(Daemon("fakehost 1.0", file=served.file))
    again = desk.open(FakeHost(on_disk.asked.out, stored=stored))
    again.attach()
    settle(desk)
    desk.close()

    assert again.state.job == flow.state.job
    assert (again.state.done, again.state.job_state) == (8, "done")


def test_when_a_project_is_opened_as_it_was_saved_then_nothing_in_it_is_touched(desk, on_disk):
    propagated(desk, on_disk)
    desk.forget()

    later = FakeHost(on_disk.asked.out, stored=on_disk.project)
    desk.open(later).attach()
    settle(desk)

    assert (later.shown, later.marks, later.said) == ([], None, [])


def test_when_a_project_was_not_saved_after_the_job_then_its_mattes_are_shown(desk, on_disk):
    on_disk.project = state.save(state.State())
    before = on_disk.project
    flow = propagated(desk, on_disk)
    desk.forget()

    later = FakeHost(on_disk.asked.out, stored=before)
    desk.open(later).attach()
    settle(desk)

    assert later.shown[-1].complete and later.marks == ([FIRST], flow.suggestions)


def test_when_the_daemon_forgot_the_job_then_it_says_the_mattes_are_still_there(desk, on_disk, served):
    flow = propagated(desk, on_disk)
    flow.state.job_state = "running"
    flow.state.job = "0" * 16
    flow.attach()
    settle(desk)

    assert flow.report.error and "Propagate" in flow.report.hint
    assert flow.state.job_state == "failed"


def test_when_mattes_of_local_jobs_were_missed_then_they_come_after_attaching(desk, host, tmp_path):
    host.changed(transport="pixels")
    flow = desk.open(host)
    flow.propagate()
    settle(desk, lambda: flow.state.done >= 2)
    desk.forget()

    again = desk.open(FakeHost(host.asked.out, stored=host.project))
    again.attach()
    settle(desk)

    assert len(files_in(tmp_path / "out" / "v001")) == 16


def test_when_a_shot_is_copied_then_the_copy_has_an_id_of_its_own(desk, on_disk):
    flow = propagated(desk, on_disk)
    copy = FakeHost(on_disk.asked.out, name="copy", stored=on_disk.project)

    other = desk.open(copy)

    assert other.state.id != flow.state.id
    assert other.state.folder == flow.state.folder
    assert state.parse(copy.project).id == other.state.id


def test_when_the_node_is_deleted_at_work_then_the_desk_lets_go_of_it(desk, host):
    flow = desk.open(host)
    flow.propagate()
    settle(desk, lambda: len(host.rendered) == 2)
    host.deleted = True
    for _ in range(20):
        desk.tick()

    assert desk.workflows == []
    assert flow.host is host


def test_when_mattes_over_the_wire_cannot_be_written_then_it_says_so_and_the_next_folder_gets_them_all(
    desk, host, tmp_path, monkeypatch
):
    host.changed(transport="pixels")
    flow = desk.open(host)
    (tmp_path / "out").mkdir()
    flow.propagate()
    settle(desk, until=lambda: flow.state.folder)
    (Path(flow.state.folder) / "red").write_text("in the way")
    settle(desk)
    told = flow.report
    host.changed(out=str(tmp_path / "elsewhere"))
    flow.propagate()
    settle(desk)

    assert told.error and "cannot be written" in told.sentence and "red" in told.sentence
    assert flow.state.job_state == "done" and not flow.report.error
    assert len(mattes_in(tmp_path / "elsewhere" / "v001")) == 2 * len(FRAMES)


def test_when_mattes_over_the_wire_are_ready_then_every_file_is_there(desk, host, tmp_path):
    host.changed(transport="pixels")
    flow = desk.open(host)
    counts = []
    shown = host.show_mattes

    def counting(mattes):
        counts.append(len(mattes_in(tmp_path / "out" / "v001")))
        return shown(mattes)

    host.show_mattes = counting
    flow.propagate()
    settle(desk)

    assert host.shown[-1].complete and counts[-1] == 2 * len(FRAMES)


def test_when_cancelled_while_the_job_is_being_taken_then_the_daemon_gives_it_up(desk, on_disk, served):
    flow = desk.open(on_disk)
    client = desk.daemon.client()
    taken, go_on = threading.Event(), threading.Event()
    submit = client.propagate

    def slow(*told, **asked):
        taken.set()
        assert go_on.wait(30)
        return submit(*told, **asked)

    client.propagate = slow
    flow.propagate()
    settle(desk, until=taken.is_set)
    flow.cancel()
    go_on.set()
    settle(desk)
    settle(desk, until=lambda: [job.state for job in served.client().list_jobs().jobs] == ["cancelled"])

    assert not flow.report.error and flow.state.job == ""


def test_when_pressed_again_after_a_change_then_the_job_before_is_given_up(desk, tmp_path, served):
    host = FakeHost(
        tmp_path / "out",
        frames=(FIRST, FIRST + 23, 1),
        path=str(write_plate(tmp_path / "plate", range(FIRST, FIRST + 24))),
    )
    flow = desk.open(host)
    flow.propagate()
    settle(desk, until=lambda: not flow.busy and flow.state.running)
    before = flow.state.job
    host.changed(keyframes=(FIRST, FIRST + 4))
    flow.propagate()
    settle(desk)

    states = {job.job: job.state for job in served.client().list_jobs().jobs}
    assert states[flow.state.job] == "done" and states[before] == "cancelled"


def test_when_cancelled_within_a_host_that_renders_then_the_job_before_is_cancelled_too(desk, host, served):
    flow = desk.open(host)
    flow.propagate()
    settle(desk, until=lambda: not flow.busy and flow.state.running)
    host.looks = dict.fromkeys(FRAMES, "another grade")
    render = host.render

    def cancelled_within(renderings):
        host.render = render
        flow.cancel()
        return render(renderings)

    host.render = cancelled_within
    flow.propagate()
    settle(desk)
    settle(desk, until=lambda: all(job.state != "running" for job in served.client().list_jobs().jobs))

    assert [job.state for job in served.client().list_jobs().jobs] == ["cancelled"]
    assert not flow.report.error and flow.report.sentence.startswith("Stopped")


def test_when_a_step_leaves_frames_out_then_the_host_is_never_told_that_all_are_there(desk, on_disk):
    on_disk.changed(frames=(FIRST, FIRST + 6, 2))
    flow = propagated(desk, on_disk)

    assert flow.report.sentence.startswith("4 mattes are ready")
    assert [one.complete for one in on_disk.shown] == [False] * len(on_disk.shown)


def test_when_there_is_one_of_something_then_it_is_said_so(desk, on_disk):
    on_disk.changed(frames=(FIRST, FIRST, 1))
    flow = propagated(desk, on_disk)

    assert flow.report.sentence.startswith("1 matte is ready")


def test_when_a_project_was_copied_and_went_on_then_the_first_keeps_its_own_mattes(served, on_disk, tmp_path):
    on_disk.file = "shot_v001"
    desk = Desk(Daemon("fakehost 1.0", file=served.file))
    first = propagated(desk, on_disk)
    saved, job = on_disk.project, first.state.job
    on_disk.file = "shot_v002"
    on_disk.changed(keyframes=(FIRST, FIRST + 4))
    second = propagated(desk, on_disk)
    desk.close()

    again = FakeHost(on_disk.asked.out, stored=saved)
    again.file = "shot_v001"
    other = FakeHost(on_disk.asked.out, stored=saved, name="later")
    other.file = "shot_v002"
    desk = Desk(Daemon("fakehost 1.0", file=served.file))
    flows = desk.open(again), desk.open(other)
    desk.close()

    assert [flow.state.job for flow in flows] == [job, second.state.job] and job != second.state.job
    assert flows[0].state.id != flows[1].state.id


def test_when_two_shots_are_at_work_then_both_finish(desk, tmp_path):
    plate = str(write_plate(tmp_path / "plate"))
    hosts = [FakeHost(tmp_path / name, path=plate, name=name) for name in ("one", "two")]
    flows = [desk.open(host) for host in hosts]
    for flow in flows:
        flow.propagate()
    settle(desk)

    assert [flow.state.job_state for flow in flows] == ["done", "done"]
    assert {flow.state.shot for flow in flows} == {flow.state.shot for flow in flows} and flows[0].state.shot != flows[
        1
    ].state.shot


def test_when_objects_share_a_file_then_the_host_is_told_the_layers(desk, on_disk, tmp_path):
    on_disk.changed(mattes=type(on_disk.asked.mattes)(layout="layers"))
    propagated(desk, on_disk)

    shown = on_disk.shown[-1]
    assert shown.patterns == {"": f"{tmp_path}/out/v001/matte.%04d.exr"}
    assert shown.layers == OBJECTS


def test_when_one_object_is_wanted_then_its_matte_is_told_by_name(desk, on_disk, tmp_path):
    on_disk.changed(objects=(ObjectSource("red", "red.alpha"),))
    propagated(desk, on_disk)

    assert on_disk.shown[-1].patterns == {"red": f"{tmp_path}/out/v001/red/red.%04d.exr"}


def test_when_a_state_is_kept_then_both_copies_say_the_same(desk, on_disk):
    flow = propagated(desk, on_disk)

    kept = state.parse(state.state_file(flow.state.id).read_text())
    assert kept == state.parse(on_disk.project) == flow.state


def test_when_mattes_are_traced_then_the_host_gets_the_shapes_with_their_numbers(desk, on_disk):
    flow = propagated(desk, on_disk)

    flow.make_shapes("red", tolerance=2.0)
    settle(desk)

    assert not flow.report.error, flow.report
    ((name, shapes),) = on_disk.made
    assert name == "red" and {shape.object for shape in shapes} == {"red"}
    biggest = max(shapes, key=lambda shape: len(shape.frames))
    assert set(biggest.frames) <= set(FRAMES) and len(biggest.points) == len(biggest.frames)
    assert all(len(key) == len(biggest.points[0]) for key in biggest.points)
    xs = [point[0] for point in biggest.points[0]]
    assert abs((min(xs) + max(xs)) / 2 - 20.5) < 2  # the disc stands at 20 in the first frame
    assert flow.report.sentence.startswith("Roto_red has ")


def test_when_there_is_nothing_to_trace_then_it_says_so(desk, host):
    flow = desk.open(host)
    flow.make_shapes()
    settle(desk)

    assert flow.report.error and "no mattes" in flow.report.sentence


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"id": 3}', '{"id": "../../etc"}', json.dumps({"id": "x" * 32})]
)
def test_when_a_stored_state_is_damaged_then_a_new_one_begins(text):
    assert state.parse(text) is None
    assert state.load(text).job == ""


def test_when_a_state_has_fields_of_a_later_version_then_the_known_ones_are_read():
    told = {**asdict(state.State(job="0123456789abcdef")), "later": 1, "total": "many"}

    found = state.parse(json.dumps(told))

    assert (found.job, found.total) == ("0123456789abcdef", 0)


def test_when_the_data_folder_cannot_be_written_then_the_project_still_has_the_state(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(state, "data_folder", lambda: Path(tmp_path / "file"))
    one = state.State(job="0123456789abcdef")

    assert state.parse(state.save(one)) == one
