"""What becomes of mattes in Resolve: what it answers is not believed, and nothing half-made stays."""

import os
import re
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenImageIO as oiio
import pytest

from fakes import drawn_plate, resolve_media
from fakes.resolve import Machine, Profile
from fakes.resolve_fusion_tools import Link
from fakes.resolve_handles import WAYS
from matted_plugin.host import HostError, Mattes
from matted_resolve.host import matte_files, mattes
from matted_resolve.host.clip import Clip
from matted_resolve.host.leftovers import Leftovers
from matted_resolve.host.session import Session

SIZE = (drawn_plate.WIDTH, drawn_plate.HEIGHT)
FRAMES = (1003, 1010)
NAMED = f"A001_{FRAMES[0]}-{FRAMES[-1]}"
"""How the files of clip mattes begin."""
"""What the clip shows, and what there are mattes of; its media has 1001 to 1012."""
ROUTES = ("clip matte", "track above", "fusion")
FORMS = ("percent", "bracket", "file")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A plate, and mattes of two objects as the daemon writes them: only the box around them is in the files."""
    folder = tmp_path_factory.mktemp("drawn")
    drawn_plate.write(folder / "plate")
    for version, objects in (("v001", 1), ("v002", 1), ("v003", 2)):
        (folder / "out" / version).mkdir(parents=True)
        for frame in range(FRAMES[0], FRAMES[1] + 1):
            write_matte(folder / "out" / version / f"A001.{frame}.exr", frame, objects)
    return folder


def write_matte(path, frame, objects):
    one = drawn_plate.matte(frame)
    layers = [one] * 4 if objects == 1 else [one, one[:, ::-1], one * 0, one * 0]
    pixels = np.stack(layers, -1)
    rows, columns = (np.flatnonzero(pixels.any(axis=(axis, 2))) for axis in (1, 0))
    spec = oiio.ImageSpec(int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1, 4, "half")
    spec.x, spec.y = int(columns[0]), int(rows[0])
    spec.full_width, spec.full_height = SIZE
    spec.attribute("compression", "zips")
    file = oiio.ImageOutput.create(str(path))
    box = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert file.open(str(path), spec) and file.write_image(np.ascontiguousarray(box)), file.geterror()
    file.close()


def read(path, channel=3):
    """One channel over the whole display window."""
    picture = oiio.ImageBuf(str(path))
    return picture.get_pixels("float", picture.roi_full)[..., channel]


class Seat:
    """A colorist's timeline: the clip on track 1 from its frame 10 on, a title track above, the Color page open."""

    def __init__(self, drawn, folder, profile):
        self.folder = folder
        self.machine = Machine(profile, folder)
        artist = self.machine.artist
        artist.set_resolution(*SIZE)
        self.media = artist.import_sequence(drawn / "plate" / "plate.%04d.exr", 1001, 1012)
        self.item = artist.place(self.media, record=10, source_in=2, source_out=9)
        artist.add_track()
        artist.new_bin("Rushes")
        artist.go_to(13)
        artist.page("color")
        self.out = folder / "out"
        self.begin()

    def begin(self):
        """What a script begins with."""
        self.session = Session(self.machine.resolve, self.machine.fusion, self.machine.bmd)
        self.leftovers = Leftovers(self.folder / "leftovers.json")

    def clip(self, **changed):
        facts = {
            "key": self.item.id,
            "name": "A001",
            "source": self.media.source,
            "why": "",
            "first": 1003,
            "duration": self.item.duration,
            "record": self.item.start,
            "offset": 0,
            "handles": (0, 0),
            "size": SIZE,
            "pixel_aspect": 1.0,
            "colorspace": None,
            "frame_rate": (24, 1),
            "track": 1,
            "media_first": 1001,
            "media_frames": 12,
        }
        return Clip(**{**facts, **changed})

    def mattes(self, version="v001", layers=("hero",), frames=FRAMES):
        return Mattes({"": (self.out / version / "A001.%04d.exr").as_posix()}, frames, True, layers)

    def show(self, route, told=None, clip=None):
        item = self.session.item(self.item.id)
        return mattes.show(
            self.session, item, clip or self.clip(), told or self.mattes(), route, leftovers=self.leftovers
        )

    def remove(self):
        return mattes.remove(self.session, self.session.timeline(), leftovers=self.leftovers)

    def facts(self):
        return self.machine.project_facts(), dict(self.machine.fusion_prefs)

    def track(self, number):
        return self.machine.project.timeline.tracks["video"][number - 1]

    @property
    def tracks(self):
        return [track.name for track in self.machine.project.timeline.tracks["video"]]

    @property
    def bins(self):
        return {each.name: each for each in self.machine.project.root.walk()}

    def alphas(self):
        """What the clip's composition makes of its alpha, by frame."""
        ones = np.ones(SIZE[::-1], np.float32)
        colour = np.zeros((*SIZE[::-1], 3), np.float32)
        return {1001 + index: self.item.comps.processed(index, colour, ones)[1] for index in range(2, 10)}


@pytest.fixture
def make_seat(drawn, tmp_path):
    """Makes a seat with the switches given; what it was refused is raised at the end."""
    made = []
    shutil.copytree(drawn / "out", tmp_path / "out")

    def make(profile=None, **switches):
        made.append(Seat(drawn, tmp_path, profile or Profile("studio", (20, 3, 2), **switches)))
        return made[-1]

    yield make
    for one in made:
        with one.machine:
            pass


@pytest.fixture
def seat(make_seat):
    return make_seat()


def ways(**which):
    """How the forms of a path are taken; those not named are refused."""
    return {**dict.fromkeys(FORMS, "refused"), **which}


def shown_by(path):
    """The files of a sequence as Resolve lists it, in order."""
    numbers = resolve_media.BRACKET.search(path)
    first, last = numbers.groups()
    return [Path(path.replace(numbers[0], f"{one:0{len(first)}d}")) for one in range(int(first), int(last) + 1)]


# Clip mattes


@pytest.mark.parametrize("form", FORMS)
def test_when_resolve_takes_one_form_alone_then_the_whole_sequence_is_attached_once(make_seat, form):
    seat = make_seat(matte_forms=ways(**{form: "sequence"}))

    said = seat.show("clip matte")

    assert len(seat.media.mattes) == 1
    assert len(shown_by(seat.media.mattes[0])) == 12
    assert f"{NAMED}_v001 is attached to A001 (hero)" in said


def test_when_a_clip_is_cut_out_of_its_media_then_each_frame_of_the_media_has_its_own_matte(seat):
    seat.show("clip matte")

    files = shown_by(seat.media.mattes[0])
    for frame, file in zip(range(1001, 1013), files, strict=True):
        wanted = drawn_plate.matte(frame) if FRAMES[0] <= frame <= FRAMES[1] else np.zeros(SIZE[::-1])
        assert np.array_equal(read(file), wanted.astype(np.float16)), frame


def test_when_resolve_says_true_and_attaches_nothing_then_it_is_not_believed(make_seat):
    seat = make_seat(matte_forms=ways(percent="nothing", bracket="nothing", file="sequence"))

    seat.show("clip matte")

    assert [len(shown_by(path)) for path in seat.media.mattes] == [12]


def test_when_resolve_takes_one_still_then_it_is_taken_off_and_the_next_form_tried(make_seat):
    seat = make_seat(matte_forms=ways(percent="still", bracket="sequence"))

    seat.show("clip matte")

    assert [len(shown_by(path)) for path in seat.media.mattes] == [12]


def test_when_resolve_takes_no_form_then_the_mattes_are_in_the_bin_and_nothing_is_attached(make_seat):
    seat = make_seat(matte_forms=ways(file="still"))

    said = seat.show("clip matte")

    assert seat.media.mattes == []
    assert [media.frames for media in seat.bins["Matted"].media] == [8]
    assert "in no form" in said and "bin Matted" in said


def test_when_mattes_are_attached_again_then_there_is_still_one(seat):
    seat.show("clip matte")
    before = seat.facts()

    seat.show("clip matte")

    assert seat.facts() == before


def test_when_there_is_a_new_version_then_the_older_stays_beside_it(seat):
    seat.show("clip matte")

    said = seat.show("clip matte", seat.mattes("v002"))

    assert sorted(Path(path).name for path in seat.media.mattes) == [
        f"{NAMED}_v001.[1001-1012].exr",
        f"{NAMED}_v002.[1001-1012].exr",
    ]
    assert f"{NAMED}_v001 stays attached" in said


def test_when_a_media_is_cut_into_two_clips_then_their_mattes_have_names_of_their_own(seat):
    for first, last in ((1003, 1006), (1007, 1010)):
        seat.show("clip matte", seat.mattes(frames=(first, last)))

    assert sorted(Path(path).name for path in seat.media.mattes) == [
        "A001_1003-1006_v001.[1001-1012].exr",
        "A001_1007-1010_v001.[1001-1012].exr",
    ]


def test_when_a_file_holds_several_objects_then_it_says_which_is_where(seat):
    said = seat.show("clip matte", seat.mattes("v003", ("hero", "car")))

    assert "red is hero, green is car" in said


def test_when_the_artist_has_a_matte_of_his_own_then_it_is_neither_taken_for_ours_nor_removed(seat):
    own = f"{seat.folder}/v001/clip_matte/own.[0001-0012].exr"
    seat.media.mattes.append(own)

    said = seat.show("clip matte")
    seat.remove()

    assert "stays attached" not in said
    assert seat.media.mattes == [own]


def test_when_the_disk_makes_no_links_then_the_files_are_copies(seat, monkeypatch):
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(95, "not supported")))

    seat.show("clip matte")

    files = shown_by(seat.media.mattes[0])
    assert np.array_equal(read(files[4]), drawn_plate.matte(1005).astype(np.float16))
    assert not read(files[0]).any()


def test_when_the_disk_is_full_then_nothing_changes_and_the_folder_is_named(seat, monkeypatch):
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(full))
    monkeypatch.setattr(shutil, "copyfile", lambda *_: (_ for _ in ()).throw(full))
    before = seat.facts()

    with pytest.raises(HostError, match="No space left") as caught:
        seat.show("clip matte")

    assert caught.value.path == str(seat.out / "v001")
    assert seat.facts() == before
    assert [path.name for path in (seat.out / "v001").iterdir() if path.is_dir()] == []


def test_when_the_media_is_a_movie_then_its_first_picture_has_number_one(seat):
    frames = range(FRAMES[0], FRAMES[1] + 1)
    for frame in frames:  # a movie's frames count from 0
        (seat.out / "v001" / f"A001.{frame}.exr").rename(seat.out / "v001" / f"A001.{frame - 1001:04d}.exr")

    seat.show(
        "clip matte",
        seat.mattes(frames=(2, 9)),
        seat.clip(first=2, media_first=0, offset=1, source="/rushes/a.mov"),
    )

    files = shown_by(seat.media.mattes[0])
    assert files[0].name.endswith(".0001.exr")
    assert np.array_equal(read(files[2]), drawn_plate.matte(1003).astype(np.float16))


def test_when_the_rendered_clip_begins_late_in_its_media_then_no_file_has_a_negative_number(seat):
    seat.show("clip matte", seat.mattes(), seat.clip(first=1003, media_first=-1, media_frames=1014, source=""))

    files = shown_by(seat.media.mattes[0])
    assert len(files) == 1014 and files[0].name.endswith(".0001.exr")
    assert np.array_equal(read(files[1004]), drawn_plate.matte(1003).astype(np.float16))


def test_when_the_media_is_very_long_then_the_mattes_are_attached_as_they_are_with_the_offset(seat, monkeypatch):
    monkeypatch.setattr(matte_files, "MOST", 11)

    said = seat.show("clip matte")

    assert [len(shown_by(path)) for path in seat.media.mattes] == [8]
    assert "offset of 2" in said


def test_when_the_cut_is_extended_then_mattes_lined_up_otherwise_lie_beside(seat):
    seat.show("clip matte")

    seat.show("clip matte", clip=seat.clip(media_first=1000, media_frames=13))

    assert sorted(path.name for path in (seat.out / "v001").iterdir() if path.is_dir()) == [
        "clip_matte",
        "clip_matte_2",
    ]
    assert sorted(len(shown_by(path)) for path in seat.media.mattes) == [12, 13]


@pytest.mark.parametrize("route", ROUTES)
def test_when_a_matte_is_not_on_disk_then_its_frame_is_named_and_nothing_changes(seat, route):
    (seat.out / "v001" / "A001.1007.exr").unlink()
    before = seat.facts()

    with pytest.raises(HostError) as caught:
        seat.show(route)

    assert caught.value.frame == 1007
    assert seat.facts() == before


@pytest.mark.parametrize(
    "changed",
    [{"media_frames": 0, "why": "it is retimed."}, {"fits_media": False, "why": "it is scaled."}],
    ids=["retimed", "scaled"],
)
def test_when_the_clip_is_not_as_its_media_then_the_mattes_come_above_it_and_it_says_why(seat, changed):
    said = seat.show("clip matte", clip=seat.clip(source="", **changed))

    assert seat.media.mattes == []
    assert seat.tracks[-1] == "Matted"
    assert changed["why"] in said


def test_when_the_clip_has_no_media_then_the_mattes_come_above_it(seat):
    seat.item.media, seat.item.kind = None, "generator"

    said = seat.show("clip matte")

    assert seat.tracks[-1] == "Matted"
    assert "no media in the media pool" in said


def test_when_only_files_are_wanted_then_resolve_is_left_alone(seat):
    seat.session.item(seat.item.id)
    before = seat.facts()

    assert mattes.show(seat.session, None, seat.clip(), seat.mattes(), "files only", leftovers=seat.leftovers) == ""

    assert seat.facts() == before


def many(seat):
    """Five objects: four in a file, and the fifth in the next."""
    patterns = {name: (seat.out / version / "A001.%04d.exr").as_posix() for name, version in PACKS.items()}
    return Mattes(patterns, FRAMES, True, ("hero", "car", "dog", "tree", "sign"))


PACKS = {"A001_1": "v001", "A001_2": "v002"}


def test_when_there_are_more_than_four_objects_then_each_file_is_attached(seat):
    said = seat.show("clip matte", many(seat))

    assert [len(shown_by(path)) for path in seat.media.mattes] == [12, 12]
    assert "alpha is tree; sign" in said


def test_when_there_are_more_than_four_objects_then_each_file_has_a_track(seat):
    seat.show("track above", many(seat))

    assert seat.tracks[2:] == ["Matted", "Matted 2"]
    assert [len(seat.track(number).items) for number in (3, 4)] == [1, 1]


# The track above


def test_when_mattes_come_above_then_they_lie_over_the_clip_frame_by_frame_and_switched_off(seat):
    seat.show("track above")

    (placed,) = seat.track(3).items
    assert seat.tracks == ["Video 1", "Video 2", "Matted"]
    assert (placed.start, placed.duration, placed.source_in) == (seat.item.start, 8, 0)
    assert not placed.enabled
    assert placed.media.source == (seat.out / "v001" / "A001.%04d.exr").as_posix()
    assert seat.bins["Matted"].media == [placed.media]


def test_when_mattes_come_above_then_page_bin_and_playhead_are_as_they_were(seat):
    before = seat.facts()[0]

    seat.show("track above")

    after = seat.facts()[0]
    assert [after[name] for name in ("page", "current bin")] == [before[name] for name in ("page", "current bin")]
    assert after["timelines"][0]["playhead"] == before["timelines"][0]["playhead"]


def test_when_the_clip_was_trimmed_since_then_only_what_it_shows_is_placed(seat):
    seat.machine.artist.trim(seat.item, head=1, tail=2)

    seat.show("track above", clip=seat.clip(first=1004))

    (placed,) = seat.track(3).items
    assert (placed.start, placed.duration, placed.source_in) == (seat.item.start, 5, 1)


def test_when_mattes_are_above_already_then_nothing_changes(seat):
    seat.show("track above")
    before = seat.facts()

    seat.show("track above")

    assert seat.facts() == before


def test_when_the_place_is_taken_then_another_track_is_made_for_nothing_overlaps(seat):
    seat.show("track above")

    seat.show("track above", seat.mattes("v002"))

    assert seat.tracks[2:] == ["Matted", "Matted 2"]
    assert [len(seat.track(number).items) for number in (3, 4)] == [1, 1]


def test_when_our_track_is_locked_then_another_is_made(seat):
    seat.show("track above")
    seat.track(3).items.clear()
    seat.track(3).locked = True

    seat.show("track above")

    assert seat.tracks[2:] == ["Matted", "Matted 2"]
    assert (len(seat.track(3).items), len(seat.track(4).items)) == (0, 1)


def test_when_our_track_is_below_the_clip_then_it_is_not_used(seat):
    seat.track(2).name = "Matted"

    seat.show("track above", clip=seat.clip(track=2))

    assert seat.tracks == ["Video 1", "Matted", "Matted 2"]


def test_when_the_sequence_comes_in_at_another_rate_then_the_short_clip_is_taken_back(seat, monkeypatch):
    monkeypatch.setattr(resolve_media.MediaPool, "_rate", lambda self: Fraction(48))
    before = seat.facts()

    with pytest.raises(HostError, match="did not place"):
        seat.show("track above")

    assert seat.facts() == before


def test_when_resolve_refuses_the_import_then_the_bin_is_not_left(seat, monkeypatch):
    monkeypatch.setattr(resolve_media.MediaPool, "_sequence", lambda self, info: None)
    before = seat.facts()

    with pytest.raises(HostError, match="did not import"):
        seat.show("track above")

    assert seat.facts() == before


# The Fusion composition


def with_artists_comp(seat):
    """A composition in which the artist put something between MediaIn1 and MediaOut1."""
    comp = seat.item.comps.start()
    comp.add("Background", "Background1", (55.0, 50.0)).inputs["TopLeftAlpha"] = 0.0
    comp.add("Merge", "Merge1", (110.0, 0.0)).inputs.update(Background=Link("MediaIn1"), Foreground=Link("Background1"))
    comp.tools["MediaOut1"].inputs["Input"] = Link("Merge1")
    return comp


@pytest.mark.parametrize("counting", ["source", "clip", "file"])
@pytest.mark.parametrize("starts", [True, False], ids=["by number", "at zero"])
def test_when_mattes_are_in_the_composition_then_they_are_the_alpha_at_every_frame(make_seat, counting, starts):
    seat = make_seat(comp_frames=counting, loader_starts_at_number=starts)
    comp = with_artists_comp(seat)

    seat.show("fusion")

    for frame, alpha in seat.alphas().items():
        assert np.array_equal(alpha, drawn_plate.matte(frame).astype(np.float16)), frame
    assert comp.descends(comp.tools["MediaOut1"], "Merge1")
    assert seat.machine.modal is None


def test_when_there_is_no_composition_then_one_is_made_and_holds_what_was_done(seat):
    seat.show("fusion")

    assert np.array_equal(seat.alphas()[1005], drawn_plate.matte(1005).astype(np.float16))


def test_when_the_settings_file_is_not_loaded_then_the_loader_is_set_by_hand(seat, monkeypatch):
    monkeypatch.setattr("fakes.resolve_fusion.Tool.LoadSettings", lambda self, path: True)

    seat.show("fusion")

    assert np.array_equal(seat.alphas()[1005], drawn_plate.matte(1005).astype(np.float16))


def test_when_a_file_holds_several_objects_then_the_first_is_the_alpha(seat):
    said = seat.show("fusion", seat.mattes("v003", ("hero", "car")))

    assert np.array_equal(seat.alphas()[1005], drawn_plate.matte(1005).astype(np.float16))
    assert "green is car" in said and "Combine" in said


def test_when_mattes_are_in_the_composition_already_then_nothing_changes(seat):
    seat.show("fusion")
    before = seat.facts()

    seat.show("fusion")

    assert seat.facts() == before


def test_when_there_is_a_new_version_then_it_replaces_the_older_in_the_chain_and_no_tool(seat):
    comp = with_artists_comp(seat)
    seat.show("fusion")

    seat.show("fusion", seat.mattes("v002"))

    out = comp.source(comp.tools["MediaOut1"], "Input")
    assert out.name == "Matted_alpha_2"
    assert comp.source(out, "Background").name == "Merge1"
    assert comp.source(out, "Foreground").clip["Filename"].endswith("v002/A001.1003.exr")
    assert {"Matted_mattes", "Matted_alpha"} <= set(comp.tools)


def test_when_nothing_is_connected_to_media_out_then_it_is_said_and_nothing_changes(seat):
    comp = with_artists_comp(seat)
    del comp.tools["MediaOut1"].inputs["Input"]
    before = seat.facts()

    with pytest.raises(HostError, match="nothing is connected to MediaOut1"):
        seat.show("fusion")

    assert seat.facts() == before


def test_when_the_composition_has_another_size_then_it_is_said_and_nothing_changes(seat):
    with_artists_comp(seat)
    seat.media.size = (4096, 2160)
    before = seat.facts()

    with pytest.raises(HostError, match="4096x2160"):
        seat.show("fusion")

    assert seat.facts() == before


def test_when_a_loader_is_added_then_fusion_asks_for_files_again_as_the_artist_has_it(seat):
    before = dict(seat.machine.fusion_prefs)

    seat.show("fusion")

    assert seat.machine.fusion_prefs == before


def test_when_the_clip_is_retimed_then_its_composition_is_left_alone_and_it_says_why(seat):
    before = seat.facts()

    with pytest.raises(HostError, match="it plays backwards") as caught:
        seat.show("fusion", clip=seat.clip(source="", media_frames=0, why="it plays backwards."))

    assert "track above" in caught.value.hint
    assert seat.facts() == before


# Taking everything back


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("remembered", [True, False], ids=["noted", "note lost"])
def test_when_everything_is_taken_back_then_the_project_is_as_before(seat, route, remembered):
    with_artists_comp(seat)
    before = seat.facts()
    seat.show(route)
    seat.show(route, seat.mattes("v002"))
    if not remembered and route != "track above":  # of files that lie in no folder of ours only the note tells
        shutil.rmtree(seat.folder / "data", ignore_errors=True)
    seat.begin()

    said = seat.remove()

    assert "Taken back" in said
    assert seat.facts() == before
    assert (seat.out / "v001" / "A001.1003.exr").is_file()


PROFILES = [
    Profile("studio", (18, 5)),
    Profile("studio", (19, 1, 3)),
    Profile("studio", (21, 1)),
    Profile("studio", (20, 3, 2), os="windows"),
    Profile("studio", (20, 3, 2), headless=True),
    Profile("free", (20, 3, 2)),
]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: f"{profile!r}-{profile.os}")
def test_when_it_is_another_resolve_then_mattes_come_and_go_all_the_same(make_seat, route, profile):
    seat = make_seat(profile)
    if profile.headless:  # there is no page to be seen, and none to go back to
        seat.machine.artist.page("edit")
    before = seat.facts()

    said = seat.show(route)
    shown = seat.facts()
    seat.show(route)

    assert said and seat.facts() == shown != before
    seat.remove()
    assert seat.facts() == before


def test_when_the_composition_was_made_for_the_mattes_then_it_goes_too(seat):
    before = seat.facts()
    seat.show("fusion")

    seat.remove()

    assert seat.facts() == before


def test_when_the_artist_built_on_in_our_composition_then_it_stays(seat):
    seat.show("fusion")
    comp = seat.item.comps.active
    comp.add("Background", "Background1")

    seat.remove()

    assert set(comp.tools) == {"MediaIn1", "MediaOut1", "Background1"}
    assert comp.source(comp.tools["MediaOut1"], "Input").name == "MediaIn1"


def test_when_the_artist_has_a_track_and_a_bin_of_that_name_then_they_stay(seat):
    seat.machine.artist.add_track("Matted")
    seat.machine.artist.new_bin("Matted")
    before = seat.facts()

    said = seat.remove()

    assert seat.facts() == before
    assert "nothing of matted's" in said


def test_when_the_artist_put_something_on_our_track_and_in_our_bin_then_it_stays(seat):
    seat.show("track above")
    own = seat.machine.artist.import_sequence(seat.media.source, 1001, 1012)
    placed = seat.machine.artist.place(own, record=100, track=3)
    for each in seat.machine.project.root.walk():
        each.media = [media for media in each.media if media is not own]
    seat.bins["Matted"].media.append(own)

    seat.remove()

    assert seat.track(3).items == [placed]
    assert seat.bins["Matted"].media == [own]


def test_when_another_timeline_shows_our_mattes_then_they_stay_and_it_is_said(seat):
    seat.show("track above")
    first = seat.machine.project.timeline
    media = seat.bins["Matted"].media[0]
    seat.machine.artist.new_timeline("Timeline 2")
    placed = seat.machine.artist.place(media)
    second = seat.machine.project.timeline
    seat.machine.artist.open_timeline(first)

    said = seat.remove()

    assert seat.bins["Matted"].media == [media]
    assert second.tracks["video"][0].items == [placed]
    assert "another timeline" in said


def test_when_there_are_presets_and_metadata_of_ours_then_they_go_and_the_artists_stay(seat):
    project = seat.machine.resolve.GetProjectManager().GetCurrentProject()
    project.SaveAsNewRenderPreset("Dailies")
    seat.media.third_party["camera.crew"] = "B"
    before = seat.facts()
    project.SaveAsNewRenderPreset("Matted EXR")
    seat.media.third_party[f"matted.{seat.item.id}"] = "{}"

    seat.remove()

    assert seat.facts() == before


# Whatever fails


def calls_of(seat, act):
    """How many calls an action takes."""
    start = len(seat.machine.calls)
    act(seat)
    return len(seat.machine.calls) - start


def alike(facts):
    """Facts without ids, which are other ones when something was made twice."""
    return re.sub(r"-0000-4000-8000-\d+", "", repr(facts))


every_call = pytest.mark.parametrize(
    "every", [23, pytest.param(len(WAYS), marks=pytest.mark.slow)], ids=["some calls", "every call"]
)
"""Some calls; in the slow tests every one, each in one of the ways."""


@every_call
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("how", WAYS)
def test_when_any_call_fails_then_the_mattes_are_there_or_nothing_of_them_is(make_seat, route, how, every):
    def make():
        return make_seat(delete_clips_flaky=0)

    seat = make()
    count = calls_of(seat, lambda seat: seat.show(route))
    whole = alike(seat.facts())
    for number in range(1 + WAYS.index(how), count + 1, every):
        seat = make()
        before = seat.facts()
        seat.machine.fault(number, how)
        try:
            seat.show(route)
        except HostError:
            assert seat.facts() == before, (number, seat.machine.calls[-12:])
        else:
            assert alike(seat.facts()) == whole, (number, seat.machine.calls[-12:])
        assert not seat.leftovers.kept(), number


@every_call
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("how", WAYS)
def test_when_any_call_fails_while_all_is_taken_back_then_it_is_gone_or_told(make_seat, route, how, every):
    def shown():
        seat = make_seat(delete_clips_flaky=0)
        before = seat.facts()
        seat.show(route)
        return seat, before

    for number in range(1 + WAYS.index(how), calls_of(shown()[0], Seat.remove) + 1, every):
        seat, before = shown()
        seat.machine.fault(number, how)
        try:
            said = seat.remove()
        except HostError as error:
            said = str(error)
        if seat.facts() != before:
            assert " still " in said or "Resolve" in said, (number, said, seat.machine.calls[-12:])
            seat.remove()
        assert seat.facts() == before, (number, said, seat.machine.calls[-12:])


@every_call
@pytest.mark.parametrize("route", ROUTES)
def test_when_the_script_is_killed_at_any_call_then_the_next_one_takes_all_back(make_seat, route, every):
    class Killed(BaseException):
        pass

    seat = make_seat()
    count = calls_of(seat, lambda seat: seat.show(route))
    whole = alike(seat.facts())
    for number in range(0, count, every):
        seat = make_seat()
        before = seat.facts()
        machine, gate, left = seat.machine, seat.machine.call, [number]

        def call(*args, gate=gate, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return gate(*args)

        machine.call = call
        with pytest.raises(Killed):
            seat.show(route)
        machine.call = gate
        seat.begin()

        told = seat.leftovers.put_back(seat.session)

        assert not told, (number, told)
        assert seat.facts() == before or alike(seat.facts()) == whole, number


def test_when_many_clips_have_nothing_of_ours_then_removing_asks_little_of_each(seat):
    clips = [seat.machine.artist.place(seat.media, record=1000 + 20 * number) for number in range(50)]
    before = len(seat.machine.calls)

    seat.remove()

    assert len(seat.machine.calls) - before < 10 * len(clips)
