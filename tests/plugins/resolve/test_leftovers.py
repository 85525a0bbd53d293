"""What has to be put back in Resolve: written down before it is changed, and put back by reading again."""

import json

import pytest

from fakes import drawn_plate
from fakes.resolve import Machine, Profile
from fakes.resolve_handles import WAYS
from matted_plugin.host import HostError
from matted_resolve.host import leftovers as left
from matted_resolve.host.leftovers import Leftovers, NotBack, leftovers_file, sure
from matted_resolve.host.session import Session


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(left, "_PAUSE", 0)
    monkeypatch.setattr(left, "_STOPPING", 0.05)


def plate_beside(folder):
    """The drawn plate, once for all seats of a test."""
    there = folder.parent / "plate"
    return (there / "plate.%04d.exr").as_posix() if there.is_dir() else drawn_plate.write(there)


class Seat:
    """A project with a clip of four frames, two tracks and two bins."""

    def __init__(self, folder, **switches):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.machine = Machine(Profile("studio", (20, 3, 2), **switches), folder)
        artist = self.machine.artist
        artist.set_resolution(drawn_plate.WIDTH, drawn_plate.HEIGHT)
        plate = artist.import_sequence(plate_beside(folder), drawn_plate.FIRST, drawn_plate.FIRST + 3)
        self.item, self.above = artist.place(plate), artist.place(plate, track=2)
        self.bin = artist.new_bin("Rushes")
        artist.open_bin(self.bin)
        artist.set_marks(1, 2)
        artist.page("color")
        self.session = Session(self.machine.resolve, self.machine.fusion, self.machine.bmd)
        self.leftovers = Leftovers(folder / "leftovers.json")

    @property
    def project(self):
        return self.session.project()

    @property
    def timeline(self):
        return self.session.timeline()

    @property
    def queue(self):
        return self.machine.project.queue

    def facts(self):
        return {**self.machine.project_facts(), "kept": self.leftovers.kept()}

    def note(self, kind, **facts):
        return self.leftovers.note(kind, project=self.machine.project.id, **facts)


@pytest.fixture
def seat(tmp_path):
    made = Seat(tmp_path / "seat")
    yield made
    assert made.machine.unknown == [] and made.machine.refused == []


# Each kind: what notes it and then changes it


def change_page(seat):
    seat.leftovers.note("page", page="color")
    seat.machine.resolve.OpenPage("fairlight")


def change_marks(seat):
    seat.note("marks", timeline=seat.timeline.GetUniqueId(), marks=seat.timeline.GetMarkInOut())
    seat.timeline.SetMarkInOut(0, 3, "all")


def change_track(seat):
    seat.note("track", timeline=seat.timeline.GetUniqueId(), track=2, enabled=True)
    seat.timeline.SetTrackEnable("video", 2, False)


def change_clips(seat):
    seat.note("clips", timeline=seat.timeline.GetUniqueId(), track=1, clips=[seat.item.id])
    seat.session.item(seat.item.id).SetClipEnabled(False)


def change_preset(seat):
    name = "Matted restore 1"
    seat.note("preset", name=name, format=seat.project.GetCurrentRenderFormatAndCodec())
    seat.project.SaveAsNewRenderPreset(name)
    seat.project.LoadRenderPreset("H.264 Master")
    seat.project.SetRenderSettings({"ExportAlpha": True})


def change_job(seat):
    folder = seat.folder / "matted-job"
    folder.mkdir()
    seat.leftovers.note("folder", path=str(folder))
    change_preset(seat)
    seat.project.SetRenderSettings({"TargetDir": str(folder)})
    seat.note("job", folder=str(folder))
    seat.project.StartRendering([seat.project.AddRenderJob()], False)


def change_bin(seat):
    seat.note("bin", folder=seat.bin.id)
    pool = seat.session.media_pool()
    pool.SetCurrentFolder(pool.GetRootFolder())


def change_mode(seat):
    seat.note("render_mode", mode=seat.project.GetCurrentRenderMode())
    seat.project.SetCurrentRenderMode(0)


def change_format(seat):
    seat.note("format", format=seat.project.GetCurrentRenderFormatAndCodec())
    seat.project.SetCurrentRenderFormatAndCodec("exr", "RGBHalf")


CHANGES = {
    "page": change_page,
    "marks": change_marks,
    "track": change_track,
    "clips": change_clips,
    "preset": change_preset,
    "job": change_job,
    "bin": change_bin,
    "render_mode": change_mode,
    "format": change_format,
}
EACH = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())


@EACH
def test_when_something_was_changed_then_another_process_puts_it_back(seat, change):
    before = seat.facts()
    change(seat)
    assert seat.facts() != before
    assert Leftovers(seat.folder / "leftovers.json").put_back(seat.session) == ()
    assert seat.facts() == before
    assert not (seat.folder / "leftovers.json").exists() and not list(seat.folder.glob("matted-*"))


@EACH
def test_when_the_change_was_never_made_then_putting_back_changes_nothing(seat, change):
    before = seat.facts()
    change(seat)
    entries = (seat.folder / "leftovers.json").read_text("utf-8")
    seat.leftovers.put_back(seat.session)
    (seat.folder / "leftovers.json").write_text(entries, "utf-8")
    assert seat.leftovers.put_back(seat.session) == ()
    assert seat.facts() == before


@pytest.mark.parametrize("ways", [1, pytest.param(len(WAYS), marks=pytest.mark.slow)], ids=["one", "all"])
@EACH
def test_when_one_answer_is_a_lie_then_it_is_put_back_all_the_same(tmp_path, change, ways):
    clean = Seat(tmp_path / "clean")
    change(clean)
    clean.machine.calls.clear()
    clean.leftovers.put_back(clean.session)
    for n in range(1, len(clean.machine.calls) + 1):
        for how in (WAYS[n % len(WAYS) :] + WAYS)[:ways]:
            seat = Seat(tmp_path / f"{n}-{how}")
            before = seat.facts()
            change(seat)
            seat.machine.fault(n, how)
            told = seat.leftovers.put_back(seat.session)
            assert (told, seat.facts()) == ((), before), (n, how)


def test_when_there_are_several_then_the_newest_is_put_back_first(seat, monkeypatch):
    order = []
    monkeypatch.setitem(left.KINDS, "thing", lambda session, facts: order.append(facts["name"]))
    for name in "abc":
        seat.leftovers.note("thing", name=name)
    assert seat.leftovers.put_back(seat.session) == ()
    assert order == ["c", "b", "a"]


def test_when_only_some_are_asked_for_then_the_others_stay(seat, monkeypatch):
    order = []
    monkeypatch.setitem(left.KINDS, "thing", lambda session, facts: order.append(facts["name"]))
    first, second = seat.leftovers.note("thing", name="a"), seat.leftovers.note("thing", name="b")
    seat.leftovers.put_back(seat.session, [second])
    assert (order, seat.leftovers.kept()) == (["b"], (first,))
    seat.leftovers.forget(first)
    assert seat.leftovers.kept() == ()


def test_when_it_fails_twice_then_it_stays_and_is_told(seat, monkeypatch):
    tries = []

    def failing(session, facts):
        tries.append(facts)
        raise NotBack("The thing is not as it was.")

    monkeypatch.setitem(left.KINDS, "thing", failing)
    token = seat.leftovers.note("thing")
    assert seat.leftovers.put_back(seat.session) == ("The thing is not as it was.",)
    assert len(tries) == 2
    assert seat.leftovers.kept() == (token,)


def test_when_another_project_is_open_then_what_belongs_to_the_first_waits_for_it(seat):
    before = seat.facts()
    project = seat.machine.project
    change_track(seat)
    seat.machine.artist.new_project("Other")
    other = seat.machine.project_facts()
    (told,) = seat.leftovers.put_back(seat.session)
    assert "open it" in told
    assert seat.machine.project_facts() == other
    seat.machine.artist.open_project(project)
    assert seat.leftovers.put_back(seat.session) == ()
    assert seat.facts() == before


def test_when_another_timeline_is_open_then_its_tracks_are_left_alone(seat):
    timeline = seat.machine.project.timeline
    change_track(seat)
    other = seat.machine.artist.new_timeline("Other")
    seat.machine.artist.add_track()
    assert seat.leftovers.put_back(seat.session) == ()
    assert timeline.tracks["video"][1].enabled and seat.machine.project.timeline is other


def test_when_the_timeline_was_deleted_then_there_is_nothing_to_do(seat):
    timeline = seat.machine.project.timeline
    change_track(seat)
    seat.machine.artist.new_timeline("Other")
    seat.machine.project.timelines.remove(timeline)
    assert seat.leftovers.put_back(seat.session) == ()


def test_when_resolve_does_not_answer_then_everything_stays(seat):
    change_marks(seat)
    change_track(seat)
    seat.machine.wedged = True
    assert seat.leftovers.put_back(seat.session) == ("Resolve does not answer.",)
    assert len(seat.leftovers.kept()) == 2


def test_when_a_job_writes_elsewhere_then_it_is_not_ours_to_delete(seat):
    theirs = seat.queue.artist_adds_job(seat.folder / "theirs")
    seat.note("job", folder=str(seat.folder / "matted-job"))
    assert seat.leftovers.put_back(seat.session) == ()
    assert list(seat.queue.jobs) == [theirs]


def test_when_the_artist_renders_meanwhile_then_deleting_ours_does_not_stop_theirs(seat):
    change_job(seat)
    seat.queue.artist_stops()
    theirs = seat.queue.artist_adds_job(seat.folder)
    seat.queue.artist_starts([theirs])
    seat.machine.calls.clear()
    assert seat.leftovers.put_back(seat.session) == ()
    assert list(seat.queue.jobs) == [theirs] and seat.queue.active.id == theirs
    assert not [call for call in seat.machine.calls if call.method == "StopRendering"]


def test_when_a_job_cannot_be_deleted_then_it_is_told(seat, monkeypatch):
    change_job(seat)
    monkeypatch.setattr(seat.queue, "stop", lambda: None)
    monkeypatch.setattr(seat.queue, "poll", lambda: None)
    told = seat.leftovers.put_back(seat.session)
    assert any("delete it on the Deliver page" in one for one in told)
    monkeypatch.undo()
    assert seat.leftovers.put_back(seat.session) == ()
    assert not seat.queue.jobs


def test_when_a_folder_is_not_named_as_ours_then_it_is_not_deleted(seat):
    seat.leftovers.note("folder", path=str(seat.folder.parent / "plate"))
    (told,) = seat.leftovers.put_back(seat.session)
    assert "not matted's to delete" in told
    assert (seat.folder.parent / "plate").is_dir()


# The file


def test_when_it_cannot_be_written_then_nothing_may_be_changed(seat, monkeypatch):
    def full(path, text):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(left, "write_private", full)
    with pytest.raises(HostError, match="cannot be written: No space left") as said:
        seat.leftovers.note("page", page="color")
    assert "disk is full" in said.value.hint


def test_when_it_cannot_be_read_then_it_is_named(seat):
    (seat.folder / "file").write_text("")
    with pytest.raises(HostError, match="cannot be read"):
        Leftovers(seat.folder / "file" / "leftovers.json").kept()


@pytest.mark.parametrize("text", ["", "[{]", "{}", '[{"token": 1}]', '["page"]', "3", "\x00"])
def test_when_the_file_is_damaged_then_it_is_kept_beside_and_work_goes_on(seat, text):
    file = seat.folder / "leftovers.json"
    file.write_text(text, "utf-8")
    assert seat.leftovers.put_back(seat.session) == ()
    token = seat.leftovers.note("page", page="color")
    assert seat.leftovers.kept() == (token,)
    assert (seat.folder / "leftovers.damaged.json").read_text("utf-8") == text


def test_when_another_version_left_something_then_it_stays_and_is_told(seat):
    (seat.folder / "leftovers.json").write_text(json.dumps([{"token": 4, "kind": "newer", "facts": {}}]))
    (told,) = seat.leftovers.put_back(seat.session)
    assert "Another version of matted" in told
    assert seat.leftovers.note("page", page="color") == 5


def test_when_two_machines_share_a_home_then_each_has_its_own_file(monkeypatch):
    here = leftovers_file()
    assert here.parent == left.data_folder() / "plugins" / "resolve"
    Leftovers(here).note("page", page="color")
    assert here.stat().st_mode & 0o077 == 0
    monkeypatch.setattr("platform.node", lambda: "suite 4")
    assert leftovers_file().name == "leftovers-suite-4.json" and leftovers_file() != here


# Asking twice


def test_when_one_answer_differs_then_the_answer_given_twice_in_a_row_counts():
    for told in ([True, None, True, True], [None, True, True]):
        answers = iter(told)
        assert sure(lambda: next(answers)) is True  # noqa: B023 (called at once)


def test_when_true_stands_for_one_then_it_is_not_taken_for_it():
    answers = iter([True, 1, 1])
    assert sure(lambda: next(answers)) == 1 and next(answers, "all taken") == "all taken"


def test_when_no_two_answers_agree_then_that_is_said():
    answers = iter(range(9))
    with pytest.raises(NotBack, match="differently each time"):
        sure(lambda: next(answers))
