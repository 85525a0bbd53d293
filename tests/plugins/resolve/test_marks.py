"""Markers in three frame spaces, and a Resolve that says it did what it did not."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.resolve import Machine, Profile
from fakes.resolve_faults import faults
from fakes.resolve_models import timecode
from matted_plugin.host import HostError
from matted_resolve.host import marks
from matted_resolve.host.clip import read_clip
from matted_resolve.host.session import Session
from matted_resolve.timecode import Counting, read_counting

COUNT, HEAD, SHOWN = 60, 12, 24
KEY, SUGGESTION = "Matted: keyframe", "Matted: mask this frame"


class Seat:
    """A Resolve with one trimmed clip of a movie, whose frames are Resolve's source frames."""

    def __init__(self, folder, profile=None, rate="24"):
        self.machine = Machine(profile or Profile())
        self.artist = self.machine.artist
        self.artist.set_frame_rate(rate)
        (folder / "plate.mov").touch()
        self.media = self.artist.import_movie(folder / "plate.mov", COUNT, Resolution="1920x1080")
        self.item = self.artist.place(self.media, record=100, source_in=HEAD, source_out=HEAD + SHOWN - 1)
        self.session = Session(self.machine.resolve)

    @property
    def handle(self):
        return self.session.item(self.item.id)

    @property
    def clip(self):
        return read_clip(self.session, self.handle)

    def read(self):
        with self.machine:
            return marks.read(self.session, self.handle, self.clip)

    def show(self, suggestions, keyframes=()):
        with self.machine:
            return marks.show(self.session, self.handle, self.clip, keyframes, suggestions)

    def call(self, what, *args):
        with self.machine:
            return what(self.session, self.handle, self.clip, *args)

    @property
    def there(self):
        return {place: (marker.color, marker.name, marker.note) for place, marker in self.item.markers.items()}


@pytest.fixture
def seat(tmp_path):
    return Seat(tmp_path)


# Keyframes


def test_when_markers_stand_on_clip_timeline_and_media_then_each_is_the_picture_it_stands_on(seat):
    seat.artist.mark(seat.item, 3)
    seat.artist.mark_timeline(100 + 5)
    seat.artist.mark_media(seat.media, HEAD + 7)
    frames, notes = seat.read()

    assert frames == (HEAD + 3, HEAD + 5, HEAD + 7)
    assert notes == (f"Frame {HEAD + 5} marked on the timeline.", f"Frame {HEAD + 7} marked on the media.")


def test_when_the_plate_is_rendered_then_the_same_pictures_are_meant(seat):
    seat.artist.mark(seat.item, 3)
    seat.artist.mark_timeline(100 + 5)
    seat.artist.mark_media(seat.media, HEAD + 7)
    clip = read_clip(seat.session, seat.handle, rendered=True)

    assert marks.read(seat.session, seat.handle, clip)[0] == (1004, 1006, 1008)


def test_when_the_clip_is_retimed_then_markers_of_its_media_are_told_and_not_used(seat):
    seat.artist.retime(seat.item, "0.5")
    seat.artist.mark(seat.item, 3)
    seat.artist.mark_media(seat.media, HEAD + 7)
    frames, notes = seat.read()

    assert frames == (1004,) and "not used" in notes[0] and "not certain" in notes[1]


def test_when_the_media_had_markers_before_it_was_placed_then_the_clips_copies_mean_the_same_frames(seat):
    seat.artist.mark_media(seat.media, HEAD + 7)
    seat.artist.mark_media(seat.media, 1)
    seat.artist.delete(seat.item)
    seat.item = seat.artist.place(seat.media, record=100, source_in=HEAD, source_out=HEAD + SHOWN - 1)
    seat.media.markers.clear()

    assert seat.read() == ((HEAD + 7,), ("Frame 1 marked too, but trimmed away: not used.",))


def test_when_a_marker_is_trimmed_away_then_it_is_told_and_not_used(seat):
    for place in (0, 5, SHOWN - 1):
        seat.artist.mark(seat.item, place)
    seat.artist.mark_media(seat.media, HEAD + SHOWN)
    seat.artist.trim(seat.item, head=2, tail=2)
    frames, notes = seat.read()

    assert frames == (HEAD + 5,)
    assert notes == (f"Frames {HEAD}, {HEAD + SHOWN - 1}, {HEAD + SHOWN} marked too, but trimmed away: not used.",)


def test_when_timeline_markers_stand_over_other_clips_then_nothing_is_said(seat):
    seat.artist.mark_timeline(3)
    seat.artist.mark_timeline(100 + SHOWN)

    assert seat.read() == ((), ())


def test_when_a_marker_lasts_then_its_first_frame_is_meant(seat):
    seat.artist.mark(seat.item, 3, duration=10.0)

    assert seat.read()[0] == (HEAD + 3,)


def test_when_markers_have_other_colours_then_only_ours_and_mint_are_keyframes(seat):
    seat.artist.mark(seat.item, 1, "Lemon")
    seat.artist.mark(seat.item, 2, "Blue", custom="matted:key:14")
    seat.artist.mark(seat.item, 3, "Mint", custom="their:thing")
    seat.artist.mark(seat.item, 4, "Lemon", custom="matted:suggestion:16")
    seat.artist.mark(seat.item, 5, "Mint", custom="matted:suggestion:17")

    assert seat.read()[0] == (HEAD + 2, HEAD + 3, HEAD + 5)


# Suggestions


def test_when_suggestions_come_then_markers_with_the_reason_appear_and_go_again(seat):
    assert seat.show([(HEAD + 4, "it moves fast"), (HEAD + 9, "little overlap")]) == ()
    assert seat.there == {
        4: ("Lemon", SUGGESTION, "it moves fast"),
        9: ("Lemon", SUGGESTION, "little overlap"),
    }
    seat.show([(HEAD + 9, "it is hidden"), (HEAD + 10, "new")])
    assert seat.there == {9: ("Lemon", SUGGESTION, "it is hidden"), 10: ("Lemon", SUGGESTION, "new")}
    seat.show([])
    assert seat.there == {}


def test_when_the_same_is_shown_again_then_nothing_is_changed(seat):
    suggestions = [(HEAD + 4, "it moves fast")]
    seat.show(suggestions)
    before = len(seat.machine.calls)
    seat.show(suggestions)

    assert not {call.method for call in seat.machine.calls[before:]} & {"AddMarker", "DeleteMarkerAtFrame"}


def test_when_the_artist_has_a_marker_there_then_it_stays_and_ours_is_left_out(seat):
    seat.artist.mark(seat.item, 4, "Red", name="fix me")
    before = seat.there
    said = seat.show([(HEAD + 4, "it moves fast")])
    seat.show([])

    assert seat.there == before
    assert said == (f"Frame {HEAD + 4} suggested too; a marker of your own is there, and stays.",)


def test_when_the_artist_made_a_suggestion_mint_then_it_is_a_keyframe_and_stays(seat):
    seat.show([(HEAD + 4, "it moves fast")])
    seat.item.markers[4].color = "Mint"
    seat.show([], keyframes=[HEAD + 4])

    assert seat.read()[0] == (HEAD + 4,) and set(seat.there) == {4}


def test_when_the_artist_moved_a_suggestion_then_it_is_back_in_its_place(seat):
    seat.show([(HEAD + 4, "it moves fast")])
    seat.item.markers[7] = seat.item.markers.pop(4)
    seat.show([(HEAD + 4, "it moves fast")])

    assert set(seat.there) == {4}


def test_when_a_frame_is_masked_or_outside_then_it_is_not_suggested(seat):
    said = seat.show([(HEAD + 4, "masked"), (HEAD + SHOWN + 3, "in the handles")], keyframes=[HEAD + 4])

    assert seat.there == {}
    assert said == (f"Frame {HEAD + SHOWN + 3} suggested too, but the clip does not show it: no marker is there.",)


def others(seat):
    return {place: facts for place, facts in seat.there.items() if facts[0] in ("Red", "Mint")}


def test_when_any_one_call_fails_then_suggestions_are_whole_or_told_and_no_other_marker_is_touched(tmp_path):
    seats = {}
    wanted = [(HEAD + 4, "new"), (HEAD + 9, "changed")]

    def made():
        seat = Seat(tmp_path)
        for place, color in ((1, "Red"), (2, "Mint")):
            seat.artist.mark(seat.item, place, color)
        for place in (5, 9):
            seat.artist.mark(seat.item, place, "Lemon", note="old", custom=f"matted:suggestion:{HEAD + place}")
        seat.known = seat.handle, seat.clip
        seats[id(seat.machine)] = seat
        return seat.machine

    def act(machine):
        seat = seats[id(machine)]
        seat.said = marks.show(seat.session, *seat.known, [HEAD + 2], wanted)

    for tried in faults(made, act, ways=("raises", "none", "false", "true")):
        seat = seats[id(tried.machine)]
        assert tried.error is None, str(tried)
        assert others(seat) == {1: ("Red", "", ""), 2: ("Mint", "", "")}, str(tried)
        if not seat.said:
            assert {place: facts[2] for place, facts in seat.there.items() if facts[0] == "Lemon"} in (
                {4: "new", 9: "changed"},
                {4: "new", 9: "old"},
                {4: "new", 5: "old", 9: "changed"},
            ), str(tried)


def test_when_the_artist_changes_markers_after_they_were_read_then_none_of_theirs_is_deleted(seat):
    seat.show([(HEAD + 4, "one"), (HEAD + 9, "two")])
    handle, clip, call = seat.handle, seat.clip, seat.machine.call

    def changing(handle, method, function, args):
        answer = call(handle, method, function, args)
        if method == "GetMarkers":
            seat.machine.call = call
            for place in (4, 9):
                seat.artist.mark(seat.item, place, "Red", name="fix me")
        return answer

    seat.machine.call = changing
    marks.show(seat.session, handle, clip, [], [])

    assert seat.there == {4: ("Red", "fix me", ""), 9: ("Red", "fix me", "")}


# Keyframes by a button


def test_when_a_frame_is_marked_and_unmarked_then_the_clip_is_as_before(seat):
    seat.call(marks.mark, HEAD + 6)
    assert seat.there == {6: ("Mint", KEY, "")} and seat.read()[0] == (HEAD + 6,)
    seat.call(marks.mark, HEAD + 6)
    seat.call(marks.unmark, HEAD + 6)

    assert seat.there == {}


def test_when_a_suggestion_stands_there_then_it_gives_way_to_the_keyframe(seat):
    seat.show([(HEAD + 4, "it moves fast")])
    seat.call(marks.mark, HEAD + 4)

    assert seat.there == {4: ("Mint", KEY, "")}


def test_when_another_marker_stands_there_then_it_stays_and_the_artist_is_told(seat):
    seat.artist.mark(seat.item, 4, "Red")

    with pytest.raises(HostError, match="Red marker") as told:
        seat.call(marks.mark, HEAD + 4)
    assert "Mint" in told.value.hint and seat.there == {4: ("Red", "", "")}


def test_when_the_keyframe_is_the_artists_own_then_it_is_not_deleted(seat):
    seat.artist.mark(seat.item, 4)

    with pytest.raises(HostError, match="not set by matted"):
        seat.call(marks.unmark, HEAD + 4)
    assert seat.there == {4: ("Mint", "", "")}


@pytest.mark.parametrize("what", [marks.mark, marks.unmark, marks.go_to], ids=lambda what: what.__name__)
def test_when_a_frame_is_trimmed_away_then_that_is_said(seat, what):
    args = (seat.session, seat.clip) if what is marks.go_to else (seat.session, seat.handle, seat.clip)

    with pytest.raises(HostError) as told:
        what(*args, HEAD + SHOWN)
    assert told.value.frame == HEAD + SHOWN


def test_when_all_of_ours_are_removed_then_the_artists_stay(seat):
    seat.artist.mark(seat.item, 1, "Mint")
    seat.artist.mark(seat.item, 2, "Red", custom="their:thing")
    seat.call(marks.mark, HEAD + 6)
    seat.show([(HEAD + 4, "it moves fast")])

    assert marks.remove_all(seat.session, seat.handle) == 2
    assert set(seat.there) == {1, 2} and marks.remove_all(seat.session, seat.handle) == 0


@pytest.mark.parametrize("what", ["mark", "unmark", "remove"])
def test_when_any_one_call_fails_then_the_marker_is_as_asked_or_an_error_says_so(tmp_path, what):
    seats = {}

    def made():
        seat = Seat(tmp_path)
        seat.artist.mark(seat.item, 1, "Red")
        if what != "mark":
            marks.mark(seat.session, seat.handle, seat.clip, HEAD + 6)
        seat.known = seat.handle, seat.clip
        seats[id(seat.machine)] = seat
        return seat.machine

    def act(machine):
        seat = seats[id(machine)]
        if what == "remove":
            marks.remove_all(seat.session, seat.known[0])
        else:
            getattr(marks, what)(seat.session, *seat.known, HEAD + 6)

    for tried in faults(made, act, ways=("raises", "none", "false", "true")):
        seat = seats[id(tried.machine)]
        assert seat.there[1] == ("Red", "", "")
        if what == "mark" and tried.call.method == "AddMarker":
            assert tried.error is None, str(tried)
        if tried.error is None:
            assert (6 in seat.there) == (what == "mark"), str(tried)
        else:
            assert isinstance(tried.error, HostError), str(tried)


# The playhead


@pytest.mark.parametrize("rate", ["24", "23.976", "25", "29.97", "29.97 DF", "50", "59.94", "59.94 DF", "60"])
@pytest.mark.parametrize("as_number", [False, True], ids=["text", "number"])
def test_when_the_playhead_is_sent_to_a_frame_then_it_is_there_at_every_rate(tmp_path, rate, as_number):
    seat = Seat(tmp_path, Profile(frame_rate_as="number") if as_number else None, rate=rate)
    clip = seat.clip
    for frame in (clip.first, clip.first + 7, clip.last):
        assert marks.go_to(seat.session, clip, frame) == ""
        assert seat.machine.project.timeline.playhead == clip.timeline_frame(frame)
        assert marks.at_playhead(seat.session, clip) == frame


def test_when_the_clip_lies_beyond_minutes_that_drop_numbers_then_the_playhead_still_meets_it(tmp_path):
    seat = Seat(tmp_path, rate="29.97 DF")
    seat.artist.slide(seat.item, 1790 - 100)  # over 01:01:00;02
    clip = seat.clip
    for frame in range(clip.first, clip.last + 1):
        marks.go_to(seat.session, clip, frame)
        assert seat.machine.project.timeline.playhead == clip.timeline_frame(frame)


@pytest.mark.parametrize("page", ["fusion", "media"])
def test_when_the_page_has_no_timeline_then_the_page_is_changed_and_that_is_said(seat, page):
    seat.artist.page(page)
    clip = seat.clip

    with pytest.raises(HostError, match="does not tell where the playhead is"):
        marks.at_playhead(seat.session, clip)
    said = marks.go_to(seat.session, clip, clip.first + 3)
    assert "Color page" in said and seat.machine.page == "color"
    assert seat.machine.project.timeline.playhead == clip.record + 3


def test_when_the_playhead_is_over_another_clip_then_that_is_said(seat):
    seat.artist.go_to(3)

    with pytest.raises(HostError, match="not over"):
        marks.at_playhead(seat.session, seat.clip)


@pytest.mark.parametrize("page", ["edit", "fusion"])
def test_when_any_one_call_fails_then_the_playhead_is_there_or_an_error_says_so(tmp_path, page):
    seats = {}

    def made():
        seat = Seat(tmp_path)
        seat.known = seat.clip
        seat.artist.page(page)
        seats[id(seat.machine)] = seat
        return seat.machine

    def act(machine):
        seat = seats[id(machine)]
        marks.go_to(seat.session, seat.known, seat.known.first + 5)

    for tried in faults(made, act, ways=("raises", "none", "false", "true")):
        seat = seats[id(tried.machine)]
        there = tried.machine.project.timeline.playhead == seat.known.record + 5
        assert there if tried.error is None else isinstance(tried.error, HostError), str(tried)


def test_when_the_playhead_does_not_move_then_the_page_is_put_back_and_that_is_said(tmp_path):
    for refused in (False, True):
        seat = Seat(tmp_path)
        clip = seat.clip
        seat.artist.page("fusion")
        before = len(seat.machine.calls)
        if not refused:
            marks.go_to(seat.session, clip, clip.last)
            setting = [call.method for call in seat.machine.calls[before:]].index("SetCurrentTimecode") + 1
            continue
        for n in (setting, setting + 2):  # the second try comes after reading back
            seat.machine.fault(n, "false")
        with pytest.raises(HostError, match="did not go"):
            marks.go_to(seat.session, clip, clip.last)
        assert seat.machine.page == "fusion"


def test_when_only_the_timecode_shows_that_numbers_are_dropped_then_they_are(tmp_path):
    seat = Seat(tmp_path, rate="29.97 DF")
    seat.machine.project.timeline.settings["timelineFrameRate"] = "29.97"
    seat.artist.slide(seat.item, 1790 - 100)
    clip = seat.clip
    marks.go_to(seat.session, clip, clip.last)

    assert seat.machine.project.timeline.playhead == clip.timeline_frame(clip.last)


# Timecode

RATES = ("23.976", "24", "25", "29.97", "29.97 DF", "30", "50", "59.94", "59.94 DF", "60", "120")


@given(rate=st.sampled_from(RATES), frame=st.integers(0, 23 * 3600 * 24))
def test_when_a_frame_becomes_a_timecode_then_it_comes_back_and_is_as_resolves(rate, frame):
    counting = read_counting(rate)
    text = counting.timecode(frame)

    assert counting.frame(text) == frame
    if counting.nominal < 100:
        assert text == timecode(frame, rate)


@given(rate=st.sampled_from(RATES), frame=st.integers(0, 23 * 3600 * 24))
def test_when_a_frame_follows_then_its_timecode_is_later(rate, frame):
    counting = read_counting(rate)

    assert counting.timecode(frame) < counting.timecode(frame + 1)


@pytest.mark.parametrize("rate", ["29.97 DF", "59.94 DF"])
def test_when_numbers_are_dropped_then_timecode_keeps_step_with_the_clock(rate):
    counting = read_counting(rate)

    for hours in (1, 10):
        assert abs(counting.frame(f"{hours:02d}:00:00;00") / counting.rate - 3600 * hours) < Fraction(1, 10)


@pytest.mark.parametrize(
    "text",
    ["", "1", "01:00:00", "01:60:00:00", "01:00:61:00", "01:00:00:30", "01:01:00;00", "01:01:00;01", "x1:00:00:00"],
)
def test_when_a_text_is_no_timecode_of_the_rate_then_it_is_refused(text):
    with pytest.raises(ValueError, match="timecode"):
        read_counting("29.97 DF").frame(text)


@pytest.mark.parametrize("text", ["", "None", "fast", "0", "-24", "24 fps"])
def test_when_a_setting_is_no_frame_rate_then_there_is_none(text):
    assert read_counting(text) is None


def test_when_a_rate_cannot_drop_then_df_means_nothing():
    assert read_counting("25 DF") == Counting(Fraction(25)) and read_counting("29.97 df").drop
