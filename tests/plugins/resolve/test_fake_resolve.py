"""The stand-in Resolve lies where the real one does: one test a quirk, which states it."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes import drawn_plate, resolve_handles, resolve_pictures, resolve_signatures
from fakes.resolve import Injected, Machine, NotMeasured, Profile, WouldBlock, WrongArguments, WrongThread
from fakes.resolve_models import frame_of, timecode

START = 86400


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    return drawn_plate.write(tmp_path_factory.mktemp("plate"))


@pytest.fixture
def make(tmp_path, plate):
    """A machine with the drawn plate at frame 10 of its timeline, by profile."""

    def made(*profile, **facts):
        machine = Machine(Profile(*profile, **facts), tmp_path)
        machine.media = machine.artist.import_sequence(plate, 1001, 1012)
        machine.item = machine.artist.place(machine.media, 10)
        machine.artist.go_to(12)
        return machine

    return made


@pytest.fixture
def machine(make):
    return make()


def project_of(machine):
    return machine.resolve.GetProjectManager().GetCurrentProject()


def timeline_of(machine):
    return project_of(machine).GetCurrentTimeline()


def pool_of(machine):
    return project_of(machine).GetMediaPool()


def item_of(machine, index=0, track=1):
    return timeline_of(machine).GetItemListInTrack("video", track)[index]


def media_of(machine):
    return item_of(machine).GetMediaPoolItem()


# -- the gate


def test_when_any_name_is_looked_up_then_it_seems_to_be_there_and_is_none(machine):
    assert hasattr(machine.resolve, "GetTimelineByName")
    with pytest.raises(TypeError):
        machine.resolve.GetTimelineByName("x")
    assert machine.unknown == ["Resolve.GetTimelineByName"] * 2


def test_when_a_known_call_was_never_measured_then_it_is_refused_even_if_swallowed(make):
    with pytest.raises(NotMeasured), make() as machine, pytest.raises(NotMeasured):
        project_of(machine).GetGallery()


@pytest.mark.parametrize("version", [(18, 5, 0), (19, 1, 3)], ids=str)
def test_when_the_version_is_older_than_a_call_then_its_name_is_none(make, version):
    old = timeline_of(make("studio", version))
    assert old.GetMarkInOut is None
    assert timeline_of(make("studio", (20, 0, 0))).GetMarkInOut() == {}


def test_when_18_5_is_asked_for_source_frames_then_it_knows_no_such_call(make):
    assert item_of(make("studio", (18, 5, 0))).GetSourceStartFrame is None


@pytest.mark.parametrize(
    "call",
    [
        lambda machine: timeline_of(machine).SetTrackEnable("video", 1),
        lambda machine: timeline_of(machine).SetTrackEnable("video", "1", True),
        lambda machine: machine.resolve.OpenPage(),
        lambda machine: pool_of(machine).GetClipMatteList(item_of(machine)),
        lambda machine: timeline_of(machine).SetMarkInOut(1.0, 2.0),
    ],
    ids=["too few", "text for a number", "none", "another object", "floats for frames"],
)
def test_when_arguments_do_not_fit_the_stubs_then_the_call_is_refused(machine, call):
    with pytest.raises(WrongArguments):
        call(machine)
    assert machine.refused


def test_when_a_call_names_its_arguments_then_it_is_refused(machine):
    with pytest.raises(WrongArguments):
        machine.resolve.OpenPage(pageName="edit")


def test_when_another_thread_calls_then_it_is_refused(machine):
    caught = []

    def other():
        try:
            machine.resolve.GetProductName()
        except WrongThread as error:
            caught.append(error)

    machine.resolve.GetProductName()
    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert caught and machine.refused == caught


def test_when_calls_are_made_then_they_are_recorded(machine):
    machine.resolve.OpenPage("color")
    assert machine.calls[-1] == ("Resolve", "OpenPage", ("color",))


def test_when_a_fault_is_asked_for_then_that_call_alone_fails_and_does_nothing(machine):
    machine.fault(2, "true")
    assert machine.resolve.GetCurrentPage() == "edit"
    assert machine.resolve.OpenPage("color") is True
    assert machine.resolve.GetCurrentPage() == "edit"
    for how, answer in (("none", None), ("false", False)):
        machine.fault(1, how)
        assert machine.resolve.OpenPage("color") is answer
    machine.fault(1, "raises")
    with pytest.raises(Injected):
        machine.resolve.OpenPage("color")
    assert machine.resolve.OpenPage("color") is True


def test_when_resolve_is_busy_then_every_call_takes_its_time(machine, monkeypatch):
    slept = []
    monkeypatch.setattr(resolve_handles.time, "sleep", slept.append)
    machine.busy = 3.0
    machine.resolve.GetProductName()
    assert slept == [3.0]


def test_when_an_object_is_asked_for_twice_then_the_handles_are_not_equal_and_their_ids_are(machine):
    assert item_of(machine) != item_of(machine)
    assert item_of(machine).GetUniqueId() == item_of(machine).GetUniqueId() == machine.item.id


def test_when_a_switch_is_misspelt_then_it_is_refused(machine):
    with pytest.raises(AssertionError):
        Machine(Profile(mate_forms={}))
    with pytest.raises(AssertionError):
        machine.switches.mate_forms = {}


# -- editions and liveness


def test_when_the_edition_is_asked_then_the_product_name_tells_it(make):
    assert make("studio").resolve.GetProductName() == "DaVinci Resolve Studio"
    assert make("free").resolve.GetProductName() == "DaVinci Resolve"


def test_when_the_version_is_asked_then_it_is_a_list_and_a_text(machine):
    assert machine.resolve.GetVersion()[:3] == [20, 3, 2]
    assert machine.resolve.GetVersionString().startswith("20.3.2")


def test_when_a_script_from_outside_asks_the_free_edition_then_it_gets_none(make):
    assert make("free").external is None and make("studio").external is not None


def test_when_the_free_edition_is_21_1_then_no_python_script_is_listed(make):
    assert make("free", (21, 0, 4)).lists_python_scripts
    assert not make("free", (21, 1, 0)).lists_python_scripts
    assert make("studio", (21, 1, 0)).lists_python_scripts


def test_when_the_free_edition_is_asked_for_a_studio_call_then_a_dialog_spoils_all_others(make):
    machine = make("free")
    item, timeline = item_of(machine), timeline_of(machine)
    assert item.CreateMagicMask("F") is False
    assert timeline.GetName() is None and timeline.SetTrackEnable("video", 1, False) is False
    assert machine.item.enabled and machine.resolve.GetProductName() == "DaVinci Resolve"
    machine.artist.click_away()
    assert timeline.GetName() == "Timeline 1"


def test_when_resolve_hangs_then_only_the_database_tells(machine):
    machine.wedged = True
    manager = machine.resolve.GetProjectManager()
    assert manager.GetCurrentDatabase() is None
    timeline = manager.GetCurrentProject().GetCurrentTimeline()
    assert timeline.GetName() == "" and timeline.SetTrackEnable("video", 1, False) is True
    assert timeline.GetItemListInTrack("video", 1) == []
    assert timeline._model.tracks["video"][0].enabled


def test_when_an_untitled_project_is_saved_then_it_is_false_and_without_a_window_it_never_returns(make):
    machine = make()
    machine.artist.new_project()
    assert machine.resolve.GetProjectManager().SaveProject() is False
    headless = make(headless=True)
    headless.artist.new_project()
    with pytest.raises(WouldBlock):
        headless.resolve.GetProjectManager().SaveProject()
    assert headless.calls[-1].method == "SaveProject"


# -- objects that go away


def test_when_a_clip_is_deleted_then_its_handle_answers_nothing(machine):
    item = item_of(machine)
    machine.artist.delete(machine.item)
    assert item.GetStart() is None and item.GetName() is None and item.AddMarker(0, "Mint", "", "", 1) is False


def test_when_the_project_is_closed_then_every_handle_is_dead(machine):
    project, timeline, media = project_of(machine), timeline_of(machine), media_of(machine)
    machine.artist.close_project()
    assert (project.GetName(), timeline.GetName(), media.GetName()) == (None, None, None)
    assert project_of(machine).GetName() == "Untitled Project"


# -- settings


def test_when_a_setting_is_unknown_then_the_answer_is_trivial(machine):
    assert project_of(machine).GetSetting("noSuchThing") == ""


def test_when_the_timeline_drops_frames_then_the_rate_says_so_in_text(machine):
    machine.artist.set_frame_rate("29.97 DF")
    assert project_of(machine).GetSetting("timelineFrameRate") == "29.97 DF"
    assert timeline_of(machine).GetStartTimecode() == "01:00:00;00"
    assert timeline_of(machine).GetStartFrame() == 107892


def test_when_the_switch_says_so_then_the_rate_is_a_number(make):
    machine = make(frame_rate_as="number")
    assert project_of(machine).GetSetting("timelineFrameRate") == 24.0


@given(
    st.integers(0, 24 * 3600 * 59), st.sampled_from(["24", "25", "29.97", "29.97 DF", "59.94 DF", "59.94", "23.976"])
)
def test_when_a_frame_becomes_a_timecode_then_it_comes_back(frame, rate):
    assert frame_of(timecode(frame, rate), rate) == frame


def test_when_minutes_drop_frames_then_their_first_two_numbers_are_missing():
    assert timecode(1799, "29.97 DF") == "00:00:59;29"
    assert timecode(1800, "29.97 DF") == "00:01:00;02"
    assert timecode(17982, "29.97 DF") == "00:10:00;00"
    assert frame_of("00:01:00;00", "29.97 DF") is None


# -- clips of the media pool


def test_when_the_properties_of_a_clip_are_read_then_they_are_texts_but_for_two(machine):
    known = media_of(machine).GetClipProperty()
    assert {name for name, value in known.items() if not isinstance(value, str)} == {"FPS", "Super Scale"}
    assert known["Frames"] == "12" and known["Resolution"] == "96x64" and known["Start"] == "1001"


def test_when_a_clip_is_a_sequence_then_its_path_has_the_range_in_brackets(machine):
    assert media_of(machine).GetClipProperty("File Path").endswith("/plate.[1001-1012].exr")


def test_when_resolve_runs_on_windows_then_paths_have_backslashes(make):
    path = media_of(make(os="windows")).GetClipProperty("File Path")
    assert "/" not in path and "\\" in path


def test_when_the_switch_says_so_then_frames_do_not_match(make):
    assert media_of(make(frames_wrong_by=-1)).GetClipProperty("Frames") == "11"


def test_when_a_property_is_unknown_then_the_answer_is_trivial(machine):
    assert media_of(machine).GetClipProperty("Frame Count") == ""
    assert media_of(machine).SetClipProperty("Frame Count", "3") is False


def test_when_metadata_is_asked_for_a_property_then_it_knows_nothing(machine):
    media = media_of(machine)
    media.SetMetadata("Scene", "12")
    assert media.GetMetadata("File Path") == "" and media.GetClipProperty("Scene") == ""
    assert media.GetMetadata("Scene") == "12"


def test_when_third_party_metadata_is_too_long_then_it_is_cut_and_true_comes_back(make):
    media = media_of(make(third_party_limit=4))
    assert media.SetThirdPartyMetadata("matted.1", "abcdefg") is True
    assert media.GetThirdPartyMetadata("matted.1") == "abcd"
    assert media.GetThirdPartyMetadata("other") == "" and media.GetThirdPartyMetadata() == {"matted.1": "abcd"}


def test_when_a_clip_is_a_generator_or_title_then_it_has_no_media(machine):
    machine.artist.place_generator(0, 5, track=2)
    machine.artist.place_title(5, 5, track=2)
    assert [item_of(machine, index, 2).GetMediaPoolItem() for index in (0, 1)] == [None, None]


def test_when_a_clip_is_a_compound_then_its_media_has_no_file(machine):
    machine.artist.place_compound(0, 5, track=2)
    assert item_of(machine, 0, 2).GetMediaPoolItem().GetClipProperty("File Path") == ""


# -- import


def test_when_media_is_imported_then_it_lands_in_the_current_bin(machine, plate):
    pool = pool_of(machine)
    machine.artist.new_bin("Theirs")
    theirs = pool.GetRootFolder().GetSubFolderList()[0]
    assert pool.SetCurrentFolder(theirs)
    assert len(pool.ImportMedia([{"FilePath": plate, "StartIndex": 1001, "EndIndex": 1012}])) == 1
    assert len(theirs.GetClipList()) == 1 and len(pool.GetRootFolder().GetClipList()) == 1


def test_when_a_sub_folder_is_added_then_it_is_the_current_one(machine):
    pool = pool_of(machine)
    assert pool.AddSubFolder(pool.GetRootFolder(), "Matted").GetName() == "Matted"
    assert pool.GetCurrentFolder().GetName() == "Matted"
    assert pool.AddSubFolder(pool.GetRootFolder(), "Matted") is None


@pytest.mark.parametrize(
    "info",
    [
        {"FilePath": "{plate}", "StartIndex": 1001, "EndIndex": 1013},
        {"filePath": "{plate}", "startIndex": 1001, "endIndex": 1012},
        {"FilePath": "{plate}"},
        {"FilePath": "/nowhere/x.%04d.exr", "StartIndex": 1, "EndIndex": 2},
    ],
    ids=["a file is missing", "not PascalCase", "no range", "no files"],
)
def test_when_an_import_is_refused_then_the_list_is_empty_and_nothing_is_raised(machine, plate, info):
    given = {key: value.format(plate=plate) if isinstance(value, str) else value for key, value in info.items()}
    assert pool_of(machine).ImportMedia([given]) == []
    assert pool_of(machine).ImportMedia(["/nowhere/x.exr"]) == []


# -- mattes of a clip


def attach(machine, *paths):
    return machine.resolve.GetMediaStorage().AddClipMattesToMediaPool(media_of(machine), list(paths))


def listed(machine):
    return pool_of(machine).GetClipMatteList(media_of(machine))


def test_when_a_matte_is_given_as_a_pattern_then_true_comes_back_and_nothing_is_attached(machine, plate):
    assert attach(machine, plate) is True
    assert listed(machine) == []


def test_when_a_matte_is_given_in_brackets_then_it_is_refused(machine, plate):
    assert attach(machine, plate.replace("%04d", "[1001-1012]")) is False
    assert listed(machine) == []


def test_when_the_first_file_is_given_then_the_whole_sequence_is_attached_and_listed_in_brackets(machine, plate):
    assert attach(machine, plate % 1001) is True
    assert listed(machine) == [plate.replace("%04d", "[1001-1012]")]


def test_when_the_switch_says_so_then_a_file_becomes_a_still(make, plate):
    machine = make(matte_forms={"percent": "sequence", "bracket": "sequence", "file": "still"})
    attach(machine, plate % 1003)
    assert listed(machine) == [plate % 1003]
    attach(machine, plate)
    assert listed(machine) == [plate.replace("%04d", "[1001-1012]"), plate % 1003]


def test_when_the_file_is_missing_then_it_is_refused(machine, plate):
    assert attach(machine, plate % 2000) is False


def test_when_a_third_argument_is_no_eye_then_false_comes_back(machine, plate):
    storage, folder = machine.resolve.GetMediaStorage(), pool_of(machine).GetRootFolder()
    assert storage.AddClipMattesToMediaPool(media_of(machine), [plate % 1001], folder) is False
    assert listed(machine) == [] and machine.refused == []


def test_when_mattes_are_listed_then_their_order_is_odd_and_one_is_deleted_by_its_listed_path(make, plate):
    machine = make(matte_forms={"percent": "nothing", "bracket": "refused", "file": "still"})
    attach(machine, plate % 1001, plate % 1002)
    assert listed(machine) == [plate % 1002, plate % 1001]
    pool = pool_of(machine)
    assert pool.DeleteClipMattes(media_of(machine), [plate]) is True
    assert len(listed(machine)) == 2
    pool.DeleteClipMattes(media_of(machine), [plate % 1002])
    assert listed(machine) == [plate % 1001]


# -- onto the timeline


def append(machine, *, record, first=0, last=12, track=2, media=None):
    info = {"startFrame": first, "endFrame": last, "recordFrame": record, "trackIndex": track, "mediaType": 1}
    return pool_of(machine).AppendToTimeline([{"mediaPoolItem": media or media_of(machine), **info}])


def spans(machine, track=2):
    return [
        (item.GetStart() - START, item.GetDuration())
        for item in timeline_of(machine).GetItemListInTrack("video", track)
    ]


def test_when_a_clip_is_appended_then_its_end_frame_is_exclusive(machine):
    timeline_of(machine).AddTrack("video")
    append(machine, record=START + 10, last=11)
    assert spans(machine) == [(10, 11)]


def test_when_a_clip_is_appended_then_what_comes_back_has_no_id(machine):
    timeline_of(machine).AddTrack("video")
    (item,) = append(machine, record=START + 10)
    assert item.GetUniqueId() is None
    assert item_of(machine, 0, 2).GetUniqueId()


@pytest.mark.parametrize("how", ["overlap", "no track", "locked"])
def test_when_a_clip_cannot_be_placed_then_it_is_dropped_and_something_comes_back(machine, how):
    timeline_of(machine).AddTrack("video")
    timeline_of(machine).SetTrackLock("video", 2, how == "locked")
    (item,) = append(machine, record=START + 15, track={"overlap": 1, "no track": 3, "locked": 2}[how])
    assert item is not None and item.GetStart() is None
    assert spans(machine) == [] and spans(machine, 1) == [(10, 12)]


def test_when_one_of_a_call_fails_then_what_it_added_vanishes_at_save(machine):
    timeline_of(machine).AddTrack("video")
    one = {"mediaPoolItem": media_of(machine), "startFrame": 0, "endFrame": 12, "mediaType": 1, "trackIndex": 2}
    pool_of(machine).AppendToTimeline([{**one, "recordFrame": START}, {**one, "recordFrame": START + 3}])
    assert spans(machine) == [(0, 12)]
    machine.artist.save()
    assert spans(machine) == []


def test_when_the_rates_differ_then_the_duration_is_floored(machine, plate):
    timeline_of(machine).AddTrack("video")
    machine.artist.import_sequence(plate, 1001, 1012, fps="25")
    other = pool_of(machine).GetRootFolder().GetClipList()[-1]
    append(machine, record=START, media=other)
    assert spans(machine) == [(0, 11)]


def test_when_clips_are_deleted_off_the_edit_page_then_it_is_false_and_once_there_too(machine):
    timeline, item = timeline_of(machine), item_of(machine)
    machine.artist.page("color")
    assert timeline.DeleteClips([item]) is False
    machine.artist.page("edit")
    assert timeline.DeleteClips([item]) is False
    assert timeline.DeleteClips([item]) is True and spans(machine, 1) == []


# -- retimes and offsets


def reported(machine):
    item = item_of(machine)
    return item.GetLeftOffset(), item.GetRightOffset(), item.GetSourceStartFrame(), item.GetSourceEndFrame()


def test_when_a_clip_is_whole_then_its_offsets_are_zero(machine):
    assert reported(machine) == (0, 0, 0, 12)


def test_when_a_head_is_trimmed_then_the_left_offset_is_exact_and_the_source_frame_is_off_by_one(machine):
    machine.artist.trim(machine.item, head=3, tail=2)
    assert reported(machine) == (3, 2, 4, 10)
    assert machine.item.source_frame(machine.item.start) == 3


def test_when_a_clip_is_retimed_then_its_left_offset_is_in_warped_frames(machine):
    machine.artist.trim(machine.item, head=4)
    machine.artist.retime(machine.item, 2)
    assert item_of(machine).GetDuration() == 4
    assert item_of(machine).GetLeftOffset() == 2
    assert machine.item.source_frame(machine.item.start + 1) == 6
    assert item_of(machine).GetSourceEndFrame() - item_of(machine).GetSourceStartFrame() != 4


def test_when_a_clip_plays_backwards_then_its_source_start_is_above_its_end(machine):
    machine.artist.reverse(machine.item)
    item = item_of(machine)
    assert item.GetSourceStartFrame() > item.GetSourceEndFrame()
    assert [machine.item.source_frame(machine.item.start + index) for index in (0, 11)] == [11, 0]


def test_when_a_clip_came_from_an_xml_then_its_source_range_is_unknown(machine):
    machine.artist.conform(machine.item)
    assert reported(machine)[2:] == (0, 0)


def test_when_a_clip_is_resized_then_its_properties_tell_and_when_stabilised_they_do_not(machine):
    before = item_of(machine).GetProperty()
    machine.artist.stabilise(machine.item)
    assert item_of(machine).GetProperty() == before
    machine.artist.resize(machine.item, ZoomX=1.2)
    assert item_of(machine).GetProperty("ZoomX") == 1.2 and before["ZoomX"] == 1.0


# -- markers


def test_when_the_same_picture_is_marked_then_clip_and_media_count_alike_and_the_timeline_does_not(machine):
    machine.artist.trim(machine.item, head=3)
    assert item_of(machine).AddMarker(5, "Mint", "", "", 1)
    assert timeline_of(machine).AddMarker(15, "Mint", "", "", 1)
    assert media_of(machine).AddMarker(5, "Mint", "", "", 1)
    assert machine.item.source_frame(machine.item.start + 2) == 5 and list(machine.item.markers) == [2]
    assert machine.item.start + 2 == START + 15


def test_when_markers_are_listed_then_their_frames_are_floats(machine):
    item_of(machine).AddMarker(2, "Mint", "name", "note", 1, "matted:key")
    ((frame, marker),) = item_of(machine).GetMarkers().items()
    assert isinstance(frame, float) and frame == 2
    assert marker == {"color": "Mint", "duration": 1.0, "note": "note", "name": "name", "customData": "matted:key"}


def test_when_a_frame_has_a_marker_then_a_second_is_refused(machine):
    machine.artist.mark(machine.item, 2, "Blue")
    assert item_of(machine).AddMarker(2, "Mint", "", "", 1) is False
    assert machine.item.markers[2].color == "Blue"


@pytest.mark.parametrize(("frame", "color"), [(2, "Orange"), (2, "mint"), (-1, "Mint"), (2.5, "Mint")])
def test_when_the_colour_or_the_frame_is_wrong_then_a_marker_is_refused(machine, frame, color):
    assert item_of(machine).AddMarker(frame, color, "", "", 1) is False


def test_when_markers_are_found_by_custom_data_then_only_the_first_is(machine):
    for frame in (2, 4):
        machine.artist.mark(machine.item, frame, custom="matted:key")
    item = item_of(machine)
    assert list(item.GetMarkerByCustomData("matted:key")) == [2.0]
    assert item.GetMarkerByCustomData("other") == {}
    assert item.DeleteMarkerByCustomData("matted:key") is True
    assert list(item.GetMarkers()) == [4.0]


def test_when_a_marker_lies_beyond_the_clip_then_it_is_taken(machine):
    assert item_of(machine).AddMarker(500, "Mint", "", "", 1) and timeline_of(machine).AddMarker(
        5000, "Mint", "", "", 1
    )


def test_when_a_head_is_trimmed_then_markers_stay_with_their_pictures(machine):
    machine.artist.mark(machine.item, 1)
    machine.artist.trim(machine.item, head=3)
    assert list(item_of(machine).GetMarkers()) == [1.0] and list(machine.item.markers) == [-2]


def test_when_a_media_has_markers_then_a_clip_placed_later_has_copies_of_its_own(machine):
    media = machine.item.media
    machine.artist.mark_media(media, 1)
    item = machine.artist.place(media, record=100, source_in=4)
    handle = machine.item_handle(item)
    assert list(handle.GetMarkers()) == [1.0] and list(item_of(machine).GetMarkers()) == []
    assert handle.DeleteMarkerAtFrame(1) and list(media.markers) == [1]


def test_when_a_clip_is_coloured_then_the_palette_is_another_and_a_title_only_says_true(machine):
    assert item_of(machine).SetClipColor("Mint") is False and item_of(machine).SetClipColor("Orange") is True
    assert item_of(machine).GetClipColor() == "Orange"
    machine.artist.place_title(0, 5, track=2)
    title = item_of(machine, 0, 2)
    assert title.SetClipColor("Orange") is True and title.GetClipColor() == ""


# -- pages, playhead, marks


@pytest.mark.parametrize("page", ["fusion", "media"])
def test_when_the_page_is_fusion_or_media_then_the_playhead_does_not_move(machine, page):
    machine.artist.page(page)
    assert timeline_of(machine).SetCurrentTimecode("01:00:00:05") is False
    assert timeline_of(machine).GetCurrentTimecode() == "01:00:00:12"
    machine.artist.page("edit")
    assert timeline_of(machine).SetCurrentTimecode("01:00:00:05") is True
    assert timeline_of(machine).GetCurrentTimecode() == "01:00:00:05"


def test_when_the_playhead_is_over_clips_then_the_top_most_that_is_on_is_current(machine):
    machine.artist.place_generator(10, 5, track=2)
    timeline = timeline_of(machine)
    assert timeline.GetCurrentVideoItem().GetName() == "Solid Color"
    timeline.SetTrackEnable("video", 2, False)
    assert timeline.GetCurrentVideoItem().GetUniqueId() == machine.item.id
    machine.artist.go_to(0)
    assert timeline.GetCurrentVideoItem() is None


def test_when_the_deliver_page_opens_then_the_artists_marks_are_gone(machine):
    machine.artist.set_marks(11, 13)
    assert timeline_of(machine).GetMarkInOut()["video"] == {"in": 11, "out": 13}
    machine.resolve.OpenPage("deliver")
    assert timeline_of(machine).GetMarkInOut().get("video") != {"in": 11, "out": 13}
    assert machine.resolve.OpenPage("scripts") is False


def test_when_a_still_of_the_viewer_is_asked_for_then_it_is_there(machine, tmp_path):
    assert project_of(machine).ExportCurrentFrameAsStill(str(tmp_path / "still.png")) is True
    assert (tmp_path / "still.png").stat().st_size
    assert project_of(machine).ExportCurrentFrameAsStill(str(tmp_path / "no folder" / "still.png")) is False


@pytest.mark.parametrize("page", ["edit", "color"])
def test_when_a_thumbnail_is_asked_for_then_there_is_none(machine, page):
    machine.artist.page(page)
    assert timeline_of(machine).GetCurrentClipThumbnailImage() is None


def test_when_an_analysis_fails_then_what_comes_back_is_a_text(make):
    assert "failed" in media_of(make()).TranscribeAudio()
    assert media_of(make("free")).TranscribeAudio() is False


def test_when_a_transcription_is_read_then_it_is_cut(machine):
    media_of(machine).SetMetadata("Transcription", "every word that was ever said")
    assert media_of(machine).GetClipProperty("Transcription").endswith("\u2026")


def test_when_pictures_are_of_the_clip_then_they_are_those_of_its_files(machine):
    machine.artist.set_resolution(drawn_plate.WIDTH, drawn_plate.HEIGHT)
    machine.artist.trim(machine.item, head=3)
    timeline = machine.project.timeline
    colour, _ = resolve_pictures.timeline_picture(timeline, machine.item.start, (drawn_plate.WIDTH, drawn_plate.HEIGHT))
    assert np.allclose(colour, drawn_plate.picture(1004), atol=2e-3)


# -- tracks, and what is left behind


def test_when_a_track_is_added_then_it_is_the_top_most_and_deleting_it_takes_its_clips(machine):
    timeline = timeline_of(machine)
    assert timeline.AddTrack("video") and timeline.GetTrackCount("video") == 2
    timeline.SetTrackName("video", 2, "Matted")
    append(machine, record=START)
    assert timeline.GetTrackName("video", 2) == "Matted" and spans(machine) == [(0, 12)]
    assert timeline.DeleteTrack("video", 2) and timeline.GetTrackCount("video") == 1


CHANGES = {
    "page": lambda machine: machine.resolve.OpenPage("color"),
    "bin": lambda machine: pool_of(machine).AddSubFolder(pool_of(machine).GetRootFolder(), "x"),
    "media": lambda machine: pool_of(machine).DeleteClips([media_of(machine)]),
    "matte": lambda machine: attach(machine, str(machine.media.file(1001))),
    "item marker": lambda machine: item_of(machine).AddMarker(1, "Mint", "", "", 1),
    "timeline marker": lambda machine: timeline_of(machine).AddMarker(1, "Mint", "", "", 1),
    "media marker": lambda machine: media_of(machine).AddMarker(1, "Mint", "", "", 1),
    "metadata": lambda machine: media_of(machine).SetThirdPartyMetadata("matted.1", "x"),
    "track": lambda machine: timeline_of(machine).AddTrack("video"),
    "enabled": lambda machine: timeline_of(machine).SetTrackEnable("video", 1, False),
    "marks": lambda machine: timeline_of(machine).SetMarkInOut(1, 2),
    "playhead": lambda machine: timeline_of(machine).SetCurrentTimecode("01:00:00:05"),
    "render mode": lambda machine: project_of(machine).SetCurrentRenderMode(0),
    "preset": lambda machine: project_of(machine).SaveAsNewRenderPreset("x"),
    "comp": lambda machine: item_of(machine).AddFusionComp(),
    "color": lambda machine: item_of(machine).SetClipColor("Orange"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_when_something_is_changed_then_the_facts_of_the_project_tell(machine, what):
    before = machine.project_facts()
    assert before == machine.project_facts()
    CHANGES[what](machine)
    assert machine.project_facts() != before


# -- the stubs


def test_when_our_stub_types_a_documented_class_then_it_invents_no_method_and_renames_no_argument():
    documented = {kind: methods for kind, methods in resolve_signatures.PUBLISHED.methods.items() if methods}
    for kind, methods in documented.items():
        for name in resolve_signatures.LOCAL.methods.get(kind, {}):
            assert name in methods, f"{kind}.{name}"
            published = [signature.names for signature in methods[name]]
            for signature in resolve_signatures.signatures(kind, name):
                assert any(signature.names == names[: len(signature.names)] for names in published), f"{kind}.{name}"
