"""Reading a clip: where Resolve's answers differ, or the picture is not the file's, the plate is rendered."""

import itertools
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakes.resolve import Machine, Profile
from fakes.resolve_faults import faults
from matted_plugin import state
from matted_plugin.host import HostError
from matted_resolve.host.clip import read_clip
from matted_resolve.host.kept import store, stored
from matted_resolve.host.session import Session

FIRST, COUNT = 1001, 60
HEAD, SHOWN = 12, 24
"""Frames of the plate before the clip's, and in it."""


@pytest.fixture(scope="module")
def plates(tmp_path_factory):
    """A folder with a sequence's files and a movie's; nobody looks into them."""
    folder = tmp_path_factory.mktemp("plates")
    for number in range(FIRST, FIRST + COUNT):
        (folder / f"plate.{number}.exr").touch()
    (folder / "plate.mov").touch()
    return folder


class Seat:
    """A Resolve with one clip of the plate, and a script that reads it."""

    def __init__(self, plates, profile=None, movie=False, **properties):
        self.machine = Machine(profile or Profile())
        self.artist = self.machine.artist
        told = {"Resolution": "1920x1080", **properties}
        if movie:
            self.media = self.artist.import_movie(plates / "plate.mov", COUNT, **told)
        else:
            self.media = self.artist.import_sequence(plates / "plate.%04d.exr", FIRST, FIRST + COUNT - 1, **told)
        self.item = self.artist.place(self.media, record=100, source_in=HEAD, source_out=HEAD + SHOWN - 1, track=2)
        self.session = Session(self.machine.resolve)

    @property
    def handle(self):
        return self.session.item(self.item.id)

    def read(self, **named):
        with self.machine:
            return read_clip(self.session, self.handle, **named)


@pytest.fixture
def seat(plates):
    return Seat(plates)


def shown(item):
    """Numbers of the media's frames that a clip truly shows."""
    return [item.media.first + item.source_frame(frame) for frame in range(item.start, item.end)]


# What is read as it is


def test_when_a_clip_shows_a_sequence_then_its_frames_are_the_numbers_of_the_files(plates, seat):
    clip = seat.read()

    assert clip.source == (plates / "plate.%04d.exr").as_posix() and clip.why == ""
    assert list(range(clip.first, clip.last + 1)) == shown(seat.item) and clip.offset == 0
    assert clip.handles == (HEAD, COUNT - HEAD - SHOWN) and clip.whole == (FIRST, FIRST + COUNT - 1)
    assert (clip.media_first, clip.media_frames) == (FIRST, COUNT)
    assert (clip.record, clip.duration, clip.track) == (86500, SHOWN, 2)
    assert (
        clip.timeline_frame(clip.first) == clip.record
        and clip.marker(clip.first) == HEAD
        and clip.marked(HEAD) == clip.first
    )
    assert (clip.size, clip.pixel_aspect, clip.frame_rate) == ((1920, 1080), 1.0, (24, 1))
    assert clip.fits_media


def test_when_a_clip_shows_a_movie_then_its_pictures_are_counted_from_1(plates):
    clip = Seat(plates, movie=True).read()

    assert clip.source == (plates / "plate.mov").as_posix()
    assert (clip.first, clip.offset) == (HEAD, 1) and clip.media_first == 0
    assert clip.handles == (HEAD, COUNT - HEAD - SHOWN)


@pytest.mark.parametrize("path", ["bracket", "percent", "first"])
@pytest.mark.parametrize("start", ["number", "zero"])
@pytest.mark.parametrize("counts_from", ["zero", "start"])
def test_when_resolve_writes_a_sequence_in_another_form_then_it_is_the_same_or_rendered(
    plates, path, start, counts_from
):
    profile = Profile(file_path=path, sequence_start=start, source_frames_from=counts_from)
    seat = Seat(plates, profile)
    clip = seat.read()

    if clip.source:
        assert (clip.source, clip.first) == ((plates / "plate.%04d.exr").as_posix(), FIRST + HEAD)
    else:
        assert path == "percent" and start == "zero"


def test_when_the_brackets_leave_out_zeros_then_the_files_decide(tmp_path):
    for number in range(1, COUNT + 1):
        (tmp_path / f"a_{number:05d}.dpx").touch()
    seat = Seat(tmp_path.parent, movie=True)
    seat.media.kind, seat.media.source, seat.media.first = "sequence", str(tmp_path / "a_%05d.dpx"), 1
    seat.artist.set_property(seat.media, "File Path", str(tmp_path / f"a_[1-{COUNT}].dpx"))

    clip = seat.read()

    assert (clip.source, clip.first) == ((tmp_path / "a_%05d.dpx").as_posix(), 1 + HEAD)


def test_when_the_source_start_is_off_by_one_then_the_left_offset_decides(plates):
    for off in (-1, 0, 1):
        seat = Seat(plates, Profile(source_start_off_by=off))
        assert seat.read().first == shown(seat.item)[0]


def test_when_the_source_end_is_the_last_frame_then_it_is_read_all_the_same(seat):
    seat.artist.misreport(seat.item, GetSourceEndFrame=HEAD + SHOWN - 1)

    assert seat.read().source


EDITS = st.fixed_dictionaries(
    {
        "first": st.integers(0, COUNT - 1),
        "length": st.integers(1, COUNT),
        "trim": st.tuples(st.integers(0, 5), st.integers(0, 5)),
        "speed": st.sampled_from(["1", "0.99", "1.01", "0.999", "1.001", "1.02", "2", "0.5", "-1", "97/100"]),
        "off": st.sampled_from([0, 1, -1]),
        "fps": st.sampled_from(["24", "23.976", "25", "24.5"]),
    }
)


SLIGHTLY = {"first": 0, "length": COUNT, "trim": (0, 0), "speed": "0.99", "off": 0, "fps": "24"}


@given(edit=EDITS)
@example(edit=SLIGHTLY)
@settings(max_examples=150, deadline=None)
def test_when_a_source_is_read_as_it_is_then_each_frame_is_the_one_resolve_shows(plates, edit):
    seat = Seat(plates, Profile(source_start_off_by=edit["off"]))
    seat.media.fps = Fraction(edit["fps"]) if edit["fps"] != "23.976" else Fraction(24000, 1001)
    seat.artist.delete(seat.item)
    last = min(COUNT - 1, edit["first"] + edit["length"] - 1)
    item = seat.item = seat.artist.place(seat.media, source_in=edit["first"], source_out=last)
    seat.artist.retime(item, edit["speed"]) if edit["speed"] != "-1" else seat.artist.reverse(item)
    if item.duration > sum(edit["trim"]):
        seat.artist.trim(item, *edit["trim"])

    clip = seat.read()

    if clip.source:
        assert [clip.first + place for place in range(clip.duration)] == shown(item)
        assert clip.whole == (FIRST, FIRST + COUNT - 1)
    elif edit["speed"] == "1" and edit["fps"] == "24":
        assert item.source_in == 0 and item.duration == 1  # 0 to 1 may be 0 to 0
    if not clip.source:
        assert (clip.first, clip.offset, clip.handles) == (1001, 0, (0, 0)) and clip.why.endswith(".")
        if clip.media_frames:
            assert [clip.first - clip.media_first + place for place in range(clip.duration)] == [
                number - FIRST for number in shown(item)
            ]


# What is rendered


def retimed(seat):
    seat.artist.retime(seat.item, "0.5")


def reversed_(seat):
    seat.artist.reverse(seat.item)


def conformed(seat):
    seat.artist.conform(seat.item)


def another_rate(seat):
    seat.artist.set_property(seat.media, "FPS", 25.0)


def subclip(seat):
    seat.artist.set_property(seat.media, "Start", str(FIRST + 10))
    seat.artist.set_property(seat.media, "End", str(FIRST + COUNT + 9))


def wrong_frames(seat):
    seat.artist.set_property(seat.media, "Frames", str(COUNT + 5))


def wrong_end(seat):
    seat.artist.set_property(seat.media, "End", str(FIRST + COUNT + 5))


def wrong_left(seat):
    seat.artist.misreport(seat.item, GetLeftOffset=HEAD + 3)


def wrong_right(seat):
    seat.artist.misreport(seat.item, GetRightOffset=COUNT)


def half_a_frame(seat):
    seat.artist.misreport(seat.item, GetLeftOffset=Fraction(HEAD) + Fraction(1, 2))


def ramped(seat):
    """Slow, then quick: as long as before, and yet other frames."""
    seat.artist.misreport(seat.item, GetSourceEndFrame=HEAD + SHOWN + 5)


TIMING = {
    retimed: "speed is changed",
    ramped: "speed is changed",
    reversed_: "backwards",
    conformed: "does not know which frames",
    another_rate: "25 frames a second in a timeline of 24",
    subclip: "subclip",
    wrong_frames: "65 frames",
    wrong_end: "66 frames",
    wrong_left: "speed is changed",
    wrong_right: "retimed",
    half_a_frame: "between two frames",
}


@pytest.mark.parametrize(("do", "why"), TIMING.items(), ids=[do.__name__ for do in TIMING])
def test_when_frames_cannot_be_counted_for_certain_then_the_plate_is_rendered_and_the_media_not_counted(seat, do, why):
    do(seat)
    clip = seat.read()

    assert clip.source == "" and why in clip.why and clip.why.endswith(".")
    assert (clip.first, clip.offset, clip.handles, clip.size) == (1001, 0, (0, 0), (1920, 1080))
    assert clip.media_frames == 0


def zoomed(seat):
    seat.artist.resize(seat.item, ZoomX=1.2, ZoomY=1.2)


def cropped(seat):
    seat.artist.resize(seat.item, CropLeft=10.0)


def flipped(seat):
    seat.artist.resize(seat.item, FlipX=True)


def flipped_media(seat):
    seat.artist.set_property(seat.media, "H-FLIP", "On")


def super_scaled(seat):
    seat.artist.set_property(seat.media, "Super Scale", 2)


def anamorphic(seat):
    seat.artist.set_property(seat.media, "PAR", "2.0")


def other_shape(seat):
    seat.artist.set_property(seat.media, "Resolution", "1998x1080")


@pytest.mark.parametrize(
    "do", [zoomed, cropped, flipped, flipped_media, super_scaled, anamorphic, other_shape], ids=lambda do: do.__name__
)
def test_when_resolve_moves_the_picture_then_the_plate_is_rendered_and_does_not_fit_the_media(seat, do):
    do(seat)
    clip = seat.read()

    assert clip.source == "" and clip.why and not clip.fits_media
    assert (clip.media_first, clip.media_frames) == (1001 - HEAD, COUNT)


@pytest.mark.parametrize("value", ["On", "Ein", "开启"])
def test_when_an_attribute_may_flip_the_picture_in_any_language_then_the_plate_is_rendered(seat, value):
    seat.artist.set_property(seat.media, "H-FLIP", value)
    clip = seat.read()

    assert clip.source == "" and "H-FLIP" in clip.why and not clip.fits_media


def test_when_the_timeline_shows_larger_media_whole_then_it_is_read_as_it_is(seat):
    seat.artist.set_property(seat.media, "Resolution", "3840x2160")
    clip = seat.read()

    assert clip.source and clip.size == (3840, 2160) and clip.fits_media


@pytest.mark.parametrize("where", ["timeline", "clip"])
def test_when_the_timeline_shows_a_part_of_larger_media_then_it_is_rendered_and_says_why(seat, where):
    seat.artist.set_property(seat.media, "Resolution", "3840x2160")
    if where == "timeline":
        seat.artist.set_setting("timelineInputResMismatchBehavior", "centerCrop")
    else:
        seat.artist.resize(seat.item, Scaling=1)
    clip = seat.read()

    assert "3840x2160" in clip.why and clip.size == (1920, 1080) and not clip.fits_media


def test_when_a_file_that_is_shown_is_missing_then_the_plate_is_rendered(tmp_path):
    for number in range(FIRST, FIRST + COUNT):
        (tmp_path / f"plate.{number}.exr").touch()
    (tmp_path / "plate.1015.exr").unlink()
    clip = Seat(tmp_path).read()

    assert clip.source == "" and "1015" in clip.why


def test_when_a_file_of_the_handles_is_missing_then_the_handles_end_before_it(tmp_path):
    for number in range(FIRST, FIRST + COUNT):
        (tmp_path / f"plate.{number}.exr").touch()
    (tmp_path / "plate.1010.exr").unlink()
    (tmp_path / "plate.1045.exr").unlink()
    clip = Seat(tmp_path).read()

    assert clip.whole == (1011, 1044)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.braw", ""), ("a.r3d", ""), ("a.mxf", "ARRIRAW"), ("a.mov", "Apple ProRes RAW HQ")]
)
def test_when_only_resolve_decodes_the_media_then_the_plate_is_rendered(tmp_path, name, codec):
    (tmp_path / name).touch()
    seat = Seat(tmp_path, movie=True, **{"Video Codec": codec, "Online Status": "Online"})
    seat.media.source = (tmp_path / name).as_posix()
    clip = seat.read()

    assert clip.source == "" and "only Resolve reads" in clip.why and clip.media_frames == COUNT


@pytest.mark.parametrize(
    "path", ["C:\\shots\\plate.[1001-1060].exr", "\\\\server\\shots\\plate.mov", "/nowhere/plate.mov"]
)
def test_when_the_path_is_another_computers_then_the_plate_is_rendered(seat, path):
    seat.artist.set_property(seat.media, "File Path", path)
    clip = seat.read()

    assert clip.source == "" and path.rpartition("/")[2] in clip.why


def test_when_two_sequences_lie_beside_each_other_then_the_plate_is_rendered(tmp_path):
    for number, digits in itertools.product((1, 2, 3), (3, 4)):
        (tmp_path / f"a.{number:0{digits}d}.exr").touch()
    seat = Seat(tmp_path, movie=True, **{"File Path": str(tmp_path / "a.[1-3].exr"), "Online Status": "Online"})
    clip = seat.read()

    assert clip.source == "" and "two sequences" in clip.why


@pytest.mark.parametrize("kind", ["generator", "title", "compound"])
def test_when_a_clip_is_made_in_resolve_then_the_plate_is_rendered(seat, kind):
    seat.item = getattr(seat.artist, f"place_{kind}")(500, 20)
    clip = seat.read()

    assert clip.source == "" and (clip.first, clip.duration) == (1001, 20)
    assert ("made in Resolve" if kind == "compound" else "a generator or a title") in clip.why


def test_when_the_artist_wants_it_rendered_then_it_is(seat):
    clip = seat.read(rendered=True)

    assert clip.source == "" and clip.why == "you chose to have it rendered." and clip.media_frames == COUNT


OLD = pytest.mark.parametrize("version", [(18, 5, 0), (18, 6, 6), (19, 0, 1)], ids=lambda one: ".".join(map(str, one)))


@OLD
def test_when_an_older_resolve_does_not_tell_source_frames_then_the_plate_is_rendered(plates, version):
    clip = Seat(plates, Profile(version=version)).read()

    assert clip.source == "" and "does not tell which frames" in clip.why


def test_when_the_media_is_offline_then_it_is_not_rendered_but_said(seat):
    seat.artist.set_property(seat.media, "Online Status", "Offline")

    with pytest.raises(HostError) as told:
        seat.read()
    assert "offline" in told.value.message and told.value.path


def test_when_the_clip_has_a_composition_then_the_artist_is_told_what_it_may_do(seat):
    before = seat.read().notes
    seat.session.item(seat.item.id).AddFusionComp()

    assert not before and "Fusion composition" in seat.read().notes[0]


@pytest.mark.parametrize(("told", "rate"), [("23.976", (24000, 1001)), ("29.97 DF", (30000, 1001)), ("50", (50, 1))])
def test_when_the_timeline_has_a_frame_rate_then_it_is_told_as_a_fraction(plates, told, rate):
    seat = Seat(plates)
    seat.artist.set_frame_rate(told)
    seat.artist.set_property(seat.media, "FPS", float(told.split()[0]))

    assert seat.read().frame_rate == rate


# Colours


def test_when_nothing_is_managed_then_the_file_says_its_colours(seat):
    seat.artist.set_property(seat.media, "Input Color Space", "Sony S-Gamut3.Cine/S-Log3")

    assert seat.read().colorspace is None


@pytest.mark.parametrize(
    ("clip", "project", "space"),
    [
        ("ARRI LogC3", "Rec.709 Gamma 2.4", "ARRI LogC3 (EI800)"),
        ("Project", "Sony S-Gamut3.Cine/S-Log3", "S-Log3 S-Gamut3.Cine"),
        ("Rec.709 (Scene)", "ARRI LogC4", "sRGB"),
        ("DaVinci WG/Intermediate", "", "DaVinci Intermediate WideGamut"),
        ("Linear", "", "lin_rec709"),
    ],
)
def test_when_colours_are_managed_then_the_plate_is_in_the_clips_input_space(seat, clip, project, space):
    seat.artist.set_setting("colorScienceMode", "davinciYRGBColorManagedv2")
    seat.artist.set_setting("colorSpaceInput", project)
    seat.artist.set_property(seat.media, "Input Color Space", clip)

    assert seat.read().colorspace == space


def test_when_a_managed_space_is_not_known_then_the_file_says_and_the_artist_is_told(seat):
    seat.artist.set_setting("colorScienceMode", "davinciYRGBColorManagedv2")
    seat.artist.set_property(seat.media, "Input Color Space", "Some Camera Log")
    clip = seat.read()

    assert clip.colorspace is None and "Some Camera Log" in " ".join(clip.notes)


@pytest.mark.parametrize(
    ("mode", "output", "space", "said"),
    [
        ("davinciYRGB", "Rec.2020 HLG ARIB STD-B67", "sRGB", False),
        ("davinciYRGBColorManagedv2", "Rec.709 Gamma 2.4", "sRGB", False),
        ("davinciYRGBColorManagedv2", "Rec.2020 ST2084 1000 nits", "Rec.2100-PQ - Display", True),
        ("davinciYRGBColorManagedv2", "Weird Film Print", "sRGB", True),
    ],
)
def test_when_the_plate_is_rendered_then_it_is_in_the_timelines_output_space(seat, mode, output, space, said):
    seat.artist.set_setting("colorScienceMode", mode)
    seat.artist.set_setting("colorSpaceOutput", output)
    clip = seat.read(rendered=True)

    assert clip.colorspace == space and bool(clip.notes) == said


def test_when_space_and_curve_are_apart_then_both_count(seat):
    for name, value in {
        "colorScienceMode": "davinciYRGBColorManagedv2",
        "separateColorSpaceAndGamma": "1",
        "colorSpaceOutput": "Rec.709",
        "colorSpaceOutputGamma": "Linear",
    }.items():
        seat.artist.set_setting(name, value)

    assert seat.read(rendered=True).colorspace == "lin_rec709"


def test_when_a_space_has_a_name_then_the_daemon_knows_it():
    from matted.media.color import ColorSettings, ColorTransform, FileColor
    from matted_resolve import colours

    for space in {space for _, space in colours._SPACES}:
        ColorTransform(ColorSettings(colorspace=space), FileColor("openexr", True))


# One wrong answer


def test_when_any_one_answer_is_lost_then_the_clip_is_the_same_or_an_error_says_so(plates):
    seats = {}

    def machine():
        seat = Seat(plates)
        seats[id(seat.machine)] = seat
        return seat.machine

    whole = Seat(plates).read()

    def act(machine):
        seat = seats[id(machine)]
        seat.clip = None
        seat.clip = read_clip(seat.session, seat.session.item(seat.item.id))

    for tried in faults(machine, act, ways=("raises", "none", "false", "true")):
        clip = seats[id(tried.machine)].clip
        if clip is None:
            assert isinstance(tried.error, HostError), str(tried)
        else:
            assert (clip.source, clip.first, clip.offset) == (whole.source, whole.first, whole.offset), str(tried)


# The state


def test_when_two_clips_show_one_media_then_each_keeps_its_own_state(seat):
    other = seat.artist.place(seat.media, record=500)
    store(seat.session, seat.handle, state.State(job="a").text())
    store(seat.session, seat.session.item(other.id), state.State(job="b").text())

    assert state.parse(stored(seat.session, seat.handle)).job == "a"
    assert state.parse(stored(seat.session, seat.session.item(other.id))).job == "b"
    assert set(seat.media.third_party) == {f"matted.{seat.item.id}", f"matted.{other.id}"}


@pytest.mark.parametrize("limit", [20, 2000])
def test_when_resolve_cuts_the_text_and_says_true_then_the_state_is_whole_all_the_same(plates, limit):
    seat = Seat(plates, Profile(third_party_limit=limit))
    text = state.State(folder="/a" * 100, suggestions=[[1001, "it moves"]]).text()
    store(seat.session, seat.handle, text)

    assert stored(seat.session, seat.handle) == text
    store(seat.session, seat.handle, "")
    assert stored(seat.session, seat.handle) == "" and not seat.media.third_party


def test_when_any_one_answer_is_lost_then_a_state_is_never_taken_for_none(plates):
    seats, text = {}, state.State(job="a").text()

    def machine():
        seat = Seat(plates)
        store(seat.session, seat.handle, text)
        seats[id(seat.machine)] = seat, seat.handle
        return seat.machine

    def act(machine):
        seat, handle = seats[id(machine)]
        assert stored(seat.session, handle) == text

    for tried in faults(machine, act, ways=("raises", "none", "false", "true")):
        assert tried.error is None or isinstance(tried.error, HostError), str(tried)


@pytest.mark.parametrize("kind", ["generator", "title"])
def test_when_a_clip_has_no_media_then_its_state_is_kept_beside(seat, kind):
    seat.item = getattr(seat.artist, f"place_{kind}")(500, 20)
    store(seat.session, seat.handle, "one")
    store(seat.session, seat.handle, "two")

    assert stored(seat.session, seat.handle) == "two"


@OLD
def test_when_an_older_resolve_has_no_place_for_a_state_then_it_is_kept_beside(plates, version):
    seat = Seat(plates, Profile(version=version))
    store(seat.session, seat.handle, "one")

    assert stored(seat.session, seat.handle) == "one" and not seat.media.third_party


def test_when_the_metadata_works_again_then_the_later_state_is_taken(plates):
    seat = Seat(plates, Profile(third_party_limit=20))
    store(seat.session, seat.handle, "a text of more than twenty letters")
    seat.machine.switches.third_party_limit = None
    store(seat.session, seat.handle, "a later text of more than twenty letters")

    assert stored(seat.session, seat.handle).startswith("a later")
