"""Finding what is open in Resolve: what is not there is said in words, and what hangs is noticed."""

import itertools

import pytest

from fakes.resolve import Machine, Profile
from fakes.resolve_faults import faults
from matted_plugin.host import Gone, HostError
from matted_resolve.host import session as session_module
from matted_resolve.host.session import Session, limits


@pytest.fixture
def machine(tmp_path):
    with Machine(Profile(), tmp_path) as made:
        yield made


def placed(machine, record=0, track=1, duration=24):
    return machine.artist.place_generator(record, duration, track)


def with_media(machine, tmp_path, name):
    return machine.artist.import_movie(tmp_path / name, 24)


@pytest.mark.parametrize("edition", ["studio", "free"])
@pytest.mark.parametrize(
    "version", [(18, 5), (19, 1, 3), (20, 3, 2), (21, 1, 0)], ids=lambda one: ".".join(map(str, one))
)
def test_when_a_session_begins_then_it_knows_edition_and_version_and_raises_no_dialog(edition, version):
    with Machine(Profile(edition, version)) as machine:
        session = Session(machine.resolve)

        assert session.studio == (edition == "studio") and session.version[:2] == version[:2]
        assert machine.calls[0].method == "GetProductName"
        assert session.page == "edit" and session.alive() and machine.modal is None


@pytest.mark.parametrize("method", ["GetVersion", "GetVersionString"])
def test_when_one_of_the_versions_is_not_told_then_the_other_is_taken(method):
    for n, how in itertools.product(range(1, 5), ("raises", "none", "false", "true")):
        machine = Machine(Profile())
        machine.fault(n, how)
        session = Session(machine.resolve)

        lost = machine.calls[n - 1].method if n <= len(machine.calls) else ""
        assert session.version == (20, 3, 2) or lost == "GetVersionString"


def test_when_resolve_hangs_and_answers_all_but_one_call_then_it_is_not_alive(machine):
    session = Session(machine.resolve)
    item = placed(machine)
    machine.wedged = True

    assert not session.alive()
    for call in (session.project, session.timeline, session.media_pool, session.current, lambda: session.item(item.id)):
        with pytest.raises(HostError, match="does not answer") as told:
            call()
        assert "dialog" in told.value.hint and not isinstance(told.value, Gone)


def test_when_a_dialog_is_up_then_the_artist_is_told_to_close_it_and_nothing_is_gone(machine):
    session = Session(machine.resolve)
    item = placed(machine)
    machine.show_modal("Upgrade to Studio")

    with pytest.raises(HostError, match="does not answer") as told:
        session.item(item.id)
    assert not isinstance(told.value, Gone)
    machine.artist.click_away()
    assert session.item(item.id)


def test_when_no_timeline_is_open_then_that_is_said(machine):
    machine.artist.open_timeline(None)

    with pytest.raises(HostError, match="no timeline is open"):
        Session(machine.resolve).timeline()


def test_when_a_clip_is_moved_to_another_place_then_it_is_found_there(machine):
    session = Session(machine.resolve)
    items = [placed(machine, 0), placed(machine, 100), placed(machine, 200, track=3)]
    assert [session.track(item.id) for item in items] == [1, 1, 3]

    machine.artist.slide(items[0], 500)
    track = machine.artist.track(2)
    machine.artist.track(3).items.remove(items[2])
    track.items.append(items[2])

    assert [session.item(item.id).GetUniqueId() for item in items] == [item.id for item in items]
    assert [session.track(item.id) for item in items] == [1, 1, 2]


@pytest.mark.parametrize("what", ["deleted", "other timeline", "other project"])
def test_when_the_clip_is_not_there_any_more_then_it_is_gone(machine, what):
    session = Session(machine.resolve)
    item = placed(machine)
    session.item(item.id)
    if what == "deleted":
        machine.artist.delete(item)
    elif what == "other timeline":
        machine.artist.new_timeline("Timeline 2")
    else:
        machine.artist.new_project()

    with pytest.raises(Gone):
        session.item(item.id)


def test_when_another_timeline_was_looked_at_then_the_clip_is_there_again(machine):
    session = Session(machine.resolve)
    item, timeline = placed(machine), machine.project.timeline
    machine.artist.new_timeline("Timeline 2")
    with pytest.raises(Gone):
        session.item(item.id)
    machine.artist.open_timeline(timeline)

    assert session.item(item.id).GetUniqueId() == item.id


@pytest.mark.parametrize("seen", [False, True], ids=["first", "again"])
def test_when_any_one_answer_is_wrong_then_a_clip_is_never_taken_for_deleted(seen):
    keys = {}

    def made():
        machine = Machine(Profile())
        placed(machine)
        keys[id(machine)] = (Session(machine.resolve), placed(machine, 100).id)
        if seen:
            keys[id(machine)][0].item(keys[id(machine)][1])
        return machine

    def act(machine):
        session, key = keys[id(machine)]
        assert session.item(key).GetUniqueId() == key

    for tried in faults(made, act, ways=("raises", "none", "false", "true")):
        last = tried.call is not None and tried.call == tried.machine.calls[-1]
        assert not isinstance(tried.error, Gone), str(tried)
        assert tried.error is None or isinstance(tried.error, HostError) or last, str(tried)


def test_when_clips_are_asked_for_then_the_playhead_the_selection_and_the_markers_choose(machine, tmp_path):
    session, artist = Session(machine.resolve), machine.artist
    media = [with_media(machine, tmp_path, name) for name in ("a.mov", "b.mov")]
    items = [artist.place(media[0]), artist.place(media[1], 50), artist.place(media[0], 100, track=2)]
    artist.go_to(60)
    artist.select(media[0])
    artist.mark(items[2], 3, "Mint")
    artist.mark(items[1], 3, "Lemon", custom="matted:suggestion:1004")
    artist.mark(items[0], 3, "Lemon")
    artist.mark(items[0], 4, "Red", custom="other:key:4")

    assert session.current() == [items[1].id]
    assert session.selected() == [items[0].id, items[2].id]
    assert session.marked() == [items[1].id, items[2].id]


def test_when_a_long_timeline_is_looked_at_again_then_not_every_clip_is_asked_again(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(session_module, "_KEPT", 1e9)
    session, artist = Session(machine.resolve), machine.artist
    media = [with_media(machine, tmp_path, name) for name in ("a.mov", "b.mov")]
    items = [artist.place(media[number % 2], 30 * number) for number in range(40)]
    artist.select(media[0])
    assert session.selected() == [one.id for one in items[::2]]
    before = len(machine.calls)

    assert session.selected() == [one.id for one in items[::2]]
    assert len(machine.calls) - before < 20

    artist.delete(items[0])
    assert session.selected() == [one.id for one in items[2::2]]
    artist.select(media[1])
    assert session.selected() == [one.id for one in items[1::2]]


def test_when_nothing_is_there_then_nothing_is_chosen(machine):
    session = Session(machine.resolve)

    assert (session.current(), session.selected(), session.marked()) == ([], [], [])


def test_when_an_older_resolve_has_no_selection_then_nothing_is_chosen_and_that_is_told():
    with Machine(Profile(version=(18, 6, 6))) as machine:
        session = Session(machine.resolve)

        assert session.selected() == [] and any("selected" in one for one in session.limits())


def test_when_the_timeline_has_settings_of_its_own_then_they_are_taken(machine):
    machine.artist.set_resolution(1920, 1080)
    machine.project.timeline.settings["timelineResolutionWidth"] = "4096"
    settings = Session(machine.resolve).settings()

    assert (settings["timelineResolutionWidth"], settings["timelineResolutionHeight"]) == ("4096", "1080")


@pytest.mark.parametrize(
    "version", [(18, 1, 0), (18, 6, 6), (19, 0, 3), (19, 1, 3), (20, 3, 2), (21, 0, 4), (21, 1, 0), ()], ids=str
)
@pytest.mark.parametrize("studio", [True, False], ids=["studio", "free"])
def test_when_something_is_not_possible_then_each_sentence_says_so_and_what_to_do(version, studio):
    told = limits(version, studio=studio)

    assert bool(told) == (not studio or version < (19, 0, 2))
    assert all(one.endswith(".") for one in told)
    without_windows = any("windows" in one for one in told)
    without_scripts = any("no Python scripts" in one and "watch folder" in one for one in told)
    assert without_windows == (not studio and (19, 1) <= version < (21, 1))
    assert without_scripts == (not studio and version >= (21, 1))


def test_when_it_is_the_app_stores_then_its_sandbox_is_told(machine, monkeypatch):
    monkeypatch.setenv("APP_SANDBOX_CONTAINER_ID", "com.blackmagic-design.DaVinciResolveLite")

    assert any("Movies" in one for one in Session(machine.resolve).limits())
