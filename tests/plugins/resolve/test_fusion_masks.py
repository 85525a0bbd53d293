"""Masks of a clip's Fusion composition: drawn from its text or rendered by a Saver, and nothing of ours stays."""

import shutil

import numpy as np
import OpenImageIO as oiio
import pytest

from fakes import drawn_plate
from fakes.resolve import Machine, Profile
from fakes.resolve_faults import faults
from fakes.resolve_fusion_text import block
from matted_plugin.exr import write_pixels
from matted_plugin.host import HostError, Rendering
from matted_resolve.host import fusion, saver
from matted_resolve.host import leftovers as left
from matted_resolve.host.clip import read_clip
from matted_resolve.host.leftovers import Leftovers
from matted_resolve.host.session import Session

SIZE = (drawn_plate.WIDTH, drawn_plate.HEIGHT)
SQUARE = [(-0.25, -0.25), (0.25, -0.25), (0.25, 0.25), (-0.25, 0.25)]
ASIDE = [(x + 0.125, y) for x, y in SQUARE]
RENDERS = {"saver_renders": True}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Looks follow each other without a pause."""
    monkeypatch.setattr(saver, "_PAUSE", 0)
    monkeypatch.setattr(saver, "_SETTLES", 2)


def plate_beside(folder):
    """The drawn plate, once for all seats of a test."""
    there = folder.parent / "plate"
    return (there / "plate.%04d.exr").as_posix() if there.is_dir() else drawn_plate.write(there)


class Seat:
    """A timeline with one clip: frames 1003 to 1010 of a sequence of 1001 to 1012."""

    def __init__(self, folder, **switches):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.machine = Machine(Profile("studio", (20, 3, 2), **switches), folder)
        self.artist = self.machine.artist
        self.artist.set_resolution(*SIZE)
        media = self.artist.import_sequence(plate_beside(folder), drawn_plate.FIRST, drawn_plate.LAST)
        self.item = self.artist.place(media, record=10, source_in=2, source_out=9)
        self.comps = self.item.comps
        self.session = Session(self.machine.resolve, self.machine.fusion, self.machine.bmd)
        self.leftovers = Leftovers(folder / "leftovers.json")
        self.out = folder / "out"
        self.out.mkdir(exist_ok=True)
        self.clip = None

    def saver(self, points=SQUARE, path=None, **inputs):
        """The artist pipes a Polygon into a Saver."""
        return self.comps.artist_saver(
            self.comps.artist_polygon(points, **inputs), path or self.folder / "own" / "m.exr"
        )

    def comp_frame(self, frame):
        """Which frame of the composition shows this one, in truth."""
        return self.comps[0].offset() + frame - drawn_plate.FIRST

    def read(self, **how):
        item = self.session.item(self.item.id)
        return item, read_clip(self.session, item, **how)

    def steps(self, tool, *frames, **how):
        item, clip = self.clip or self.read(**how)
        wanted = [Rendering(each, (self.out / f"{each}.exr").as_posix(), tool, False) for each in frames]
        return fusion.render(self.session, item, clip, wanted, tool, work=self.out, leftovers=self.leftovers)

    def render(self, tool, *frames, **how):
        """What comes, in order, and what is said at the end."""
        steps, done = self.steps(tool, *frames, **how), []
        while True:
            try:
                one = next(steps)
            except StopIteration as end:
                return done, end.value
            done += [one.frame] if one is not None else []

    def mask(self, frame):
        file = oiio.ImageBuf(str(self.out / f"{frame}.exr"))
        assert file.spec().channelnames == ("A",) and file.spec().getattribute("compression") == "none"
        assert (file.spec().width, file.spec().height) == SIZE
        return file.get_pixels(oiio.FLOAT)[..., 0]

    def facts(self):
        temporary = list(self.folder.rglob(f"{left.PREFIX}*"))
        return {**self.machine.project_facts(), "folders": temporary, "leftovers": self.leftovers.kept()}


def seat_with_saver(folder, **switches):
    seat = Seat(folder, **{**RENDERS, **switches})
    seat.saver({0: SQUARE, 8: ASIDE})
    return seat


def square(aside=0.0):
    found = np.zeros((SIZE[1], SIZE[0]))
    shift = round(aside * SIZE[0])
    found[16:48, 24 + shift : 72 + shift] = 1
    return found


# -- what there is


def test_when_masks_are_listed_then_savers_polygons_and_bsplines_are_and_nothing_else(tmp_path):
    seat = Seat(tmp_path, media_out_class="Saver")
    assert fusion.masks(seat.session, seat.session.item(seat.item.id)) == ()
    seat.saver({2: SQUARE})
    seat.comps.artist_polygon(SQUARE, "BSpline1", "BSplineMask")

    assert fusion.masks(seat.session, seat.session.item(seat.item.id)) == ("Polygon1", "Saver1", "BSpline1")


def test_when_compositions_have_tools_of_the_same_name_then_their_number_tells_them_apart(tmp_path):
    seat = Seat(tmp_path)
    seat.comps.artist_polygon(SQUARE)
    seat.comps.start()
    seat.comps.artist_polygon(ASIDE)
    seat.comps.artist_polygon(ASIDE, "Other1")

    assert fusion.masks(seat.session, seat.session.item(seat.item.id)) == ("1:Polygon1", "2:Polygon1", "Other1")
    with pytest.raises(HostError, match="2 Fusion compositions") as caught:
        seat.render("Polygon1", 1004)
    assert "1:Polygon1 or 2:Polygon1" in caught.value.hint
    seat.render("2:Polygon1", 1004)
    assert np.array_equal(seat.mask(1004), square(0.125))


@pytest.mark.parametrize(
    ("tool", "says", "hint"),
    [
        ("Saver7", "no mask Saver7", "There are: Polygon1, Saver1."),
        ("3:Saver1", "no mask 3:Saver1", "There are"),
        ("Polygon1.red", "no channel red", "Polygon1 alone"),
        ("MediaOut1", "no mask MediaOut1", "There are"),
    ],
    ids=["name", "number", "channel", "other"],
)
def test_when_there_is_no_such_mask_then_those_there_are_are_named(tmp_path, tool, says, hint):
    seat = seat_with_saver(tmp_path)

    with pytest.raises(HostError, match=says) as caught:
        seat.render(tool, 1004)

    assert seat.item.name in caught.value.message and hint in caught.value.hint


def test_when_the_clip_has_no_composition_then_it_says_so(tmp_path):
    with pytest.raises(HostError, match="no Fusion composition of the clip has a mask"):
        Seat(tmp_path).render("Polygon1", 1004)


# -- frames


@pytest.mark.parametrize("counting", ["source", "clip", "file"])
def test_when_a_polygon_is_keyed_then_its_keys_are_frames_of_the_shot_however_the_composition_counts(
    tmp_path, counting
):
    seat = Seat(tmp_path, comp_frames=counting)
    seat.comps.start()
    wanted = {1003: SQUARE, 1007: ASIDE, 1010: SQUARE}
    seat.comps.artist_polygon({seat.comp_frame(frame): points for frame, points in wanted.items()})

    assert fusion.keyed(seat.session, *seat.read(), "Polygon1") == (1003, 1007, 1010)
    assert fusion.keyed(seat.session, *seat.read(), "Polygon1.alpha") == (1003, 1007, 1010)
    assert seat.render("Polygon1", 1007, 1005) == ([1007, 1005], ())
    assert np.array_equal(seat.mask(1007), square(0.125))
    assert np.allclose(seat.mask(1005), square(0.0625), atol=1e-3)


def test_when_a_mask_has_no_keys_or_only_outside_the_clip_then_none_are_told(tmp_path):
    seat = seat_with_saver(tmp_path)
    seat.comps.artist_polygon(SQUARE, "Still1")
    seat.comps.artist_polygon({-3: SQUARE, 4: SQUARE, 90: SQUARE}, "Far1")

    told = [fusion.keyed(seat.session, *seat.read(), name) for name in ("Still1", "Saver1", "Far1")]

    assert told == [(), (), (1005,)]


def test_when_the_clip_is_rendered_then_keys_are_its_rendered_frames(tmp_path):
    seat = Seat(tmp_path)
    seat.comps.start()
    seat.comps.artist_polygon({seat.comp_frame(1003): SQUARE, seat.comp_frame(1010): ASIDE})

    item, clip = seat.read(rendered=True)

    assert fusion.keyed(seat.session, item, clip, "Polygon1") == (1001, 1008)


@pytest.mark.parametrize(
    "attributes",
    [{}, {"COMPN_RenderStart": 3.0, "COMPN_RenderEnd": 10.0}, {"COMPN_GlobalEnd": 30.0, "COMPN_RenderEnd": 30.0}],
    ids=["silent", "shifted", "longer"],
)
def test_when_the_ranges_of_a_composition_do_not_agree_then_no_frame_is_guessed(tmp_path, monkeypatch, attributes):
    seat = seat_with_saver(tmp_path)
    comp = type(seat.machine.item_handle(seat.item).GetFusionCompByIndex(1))
    told = seat.machine.item_handle(seat.item).GetFusionCompByIndex(1).GetAttrs()
    monkeypatch.setattr(comp, "GetAttrs", lambda self, tag="": {**told, **attributes} if attributes else {})

    with pytest.raises(HostError, match="frames") as caught:
        seat.render("Polygon1", 1004)

    assert seat.item.name in caught.value.message and "Fusion page" in caught.value.hint


@pytest.mark.parametrize(
    "change",
    [
        lambda seat: seat.artist.resize(seat.item, ZoomX=1.5, ZoomY=1.5),
        lambda seat: seat.artist.retime(seat.item, "1/2"),
        lambda seat: seat.artist.set_resolution(SIZE[0], SIZE[1] + 20),
    ],
    ids=["zoomed", "retimed", "other shape"],
)
def test_when_the_timeline_shows_the_media_otherwise_then_its_masks_are_refused(tmp_path, change):
    seat = seat_with_saver(tmp_path)
    change(seat)

    with pytest.raises(HostError, match="would not lie over the plate") as caught:
        seat.render("Polygon1", 1001, rendered=True)

    assert "hero=alpha" in caught.value.hint and not list(seat.out.iterdir())


# -- outlines


def test_when_a_mask_has_a_soft_edge_then_the_artist_is_sent_to_a_saver(tmp_path):
    seat = Seat(tmp_path)
    seat.comps.artist_polygon(SQUARE, SoftEdge=0.02)

    with pytest.raises(HostError, match=r"Polygon1 of Composition 1 .* at frame 1004: Polygon1 has SoftEdge") as caught:
        seat.render("Polygon1", 1004)

    assert "Saver" in caught.value.hint and caught.value.frame == 1004


@pytest.mark.parametrize("kind", ["PolylineMask", "BSplineMask"])
def test_when_an_outline_is_drawn_then_it_is_what_the_composition_shows(tmp_path, kind):
    seat = Seat(tmp_path, **RENDERS)
    bent = [(-0.3, -0.2, -0.1, 0.1, 0.1, -0.1), (0.3, -0.3, -0.2, 0, 0.1, 0.1), (0.1, 0.4, 0.2, 0, -0.2, 0)]
    points = bent if kind == "PolylineMask" else [point[:2] for point in bent]
    mask = seat.comps.artist_polygon(points, "Mask1", kind, Invert=1)
    seat.comps.artist_saver(mask, seat.folder / "own.exr")

    seat.render("Mask1", 1004)
    drawn = seat.mask(1004)
    seat.render("Saver1", 1004)

    difference = np.abs(drawn - seat.mask(1004))
    assert difference.max() < 0.2 and difference.mean() < 0.005


def test_when_polygons_feed_each_other_then_they_are_combined(tmp_path):
    seat = Seat(tmp_path)
    below = seat.comps.artist_polygon(ASIDE, "Below1")
    above = seat.comps.artist_polygon(SQUARE, PaintMode=block("FuID", "Subtract"))
    above.inputs["EffectMask"] = type(next(iter(seat.comps[0].tools["MediaOut1"].inputs.values())))(below.name, "Mask")

    seat.render("Polygon1", 1004)

    assert np.array_equal(seat.mask(1004), np.maximum(square(0.125) - square(), 0))


def test_when_the_mask_cannot_be_written_then_it_says_where(tmp_path):
    seat = seat_with_saver(tmp_path)
    steps = seat.steps("Polygon1", 1004)
    shutil.rmtree(seat.out)

    with pytest.raises(HostError, match="The mask of frame 1004 cannot be written to"):
        list(steps)


# -- Savers


@pytest.mark.parametrize("counting", ["source", "clip", "file"])
def test_when_resolve_renders_a_saver_then_its_frames_come_and_its_own_path_is_back(tmp_path, counting):
    seat = Seat(tmp_path, **RENDERS, comp_frames=counting)
    seat.comps.start()
    seat.saver({seat.comp_frame(1003): SQUARE, seat.comp_frame(1010): ASIDE})
    before = seat.facts()

    assert seat.render("Saver1", 1010, 1003) == ([1010, 1003], ())

    assert np.allclose(seat.mask(1003), square(), atol=0.04)
    assert np.allclose(seat.mask(1010), square(0.125), atol=0.04)
    assert seat.facts() == before
    assert not (seat.folder / "own").exists()


def test_when_another_channel_is_wanted_then_it_is_taken(tmp_path):
    seat = seat_with_saver(tmp_path)

    seat.render("Saver1.red", 1005)

    assert np.allclose(seat.mask(1005), drawn_plate.picture(1005)[..., 0], atol=2e-3)


def test_when_the_channel_is_not_in_the_file_then_those_there_are_are_named(tmp_path):
    seat = seat_with_saver(tmp_path)
    before = seat.facts()

    with pytest.raises(HostError, match=r"frame 1005 has no channel depth, only .*R"):
        seat.render("Saver1.depth", 1005)

    assert seat.facts() == before


def test_when_the_saver_shows_another_size_then_both_are_told(tmp_path):
    seat = Seat(tmp_path)
    own = tmp_path / "own.exr"
    seat.saver(path=own)
    write_pixels(tmp_path / "own0004.exr", (8, 4), ("A",), "half", bytes(64))

    with pytest.raises(HostError, match=r"Saver1 of Composition 1 writes 8 x 4 pixels .* has 96 x 64"):
        seat.render("Saver1", 1005)


@pytest.mark.parametrize("name", ["m.exr", "m_0001.exr"], ids=["bare", "numbered"])
def test_when_resolve_does_not_render_then_what_the_artist_rendered_is_taken_and_said(tmp_path, name):
    seat = Seat(tmp_path)
    seat.saver({0: SQUARE, 8: ASIDE}, path=tmp_path / "own" / name)
    before = seat.facts()
    seat.comps.artist_renders_savers()

    frames, said = seat.render("Saver1", 1004, 1009)

    assert frames == [1004, 1009]
    assert len(said) == 1 and "Resolve did not render Saver1 by script" in said[0] and name in said[0]
    assert np.allclose(seat.mask(1009), square(0.125), atol=0.04)
    assert seat.facts() == before


def test_when_the_artist_rendered_nothing_either_then_it_says_what_to_do(tmp_path):
    seat = Seat(tmp_path)
    seat.saver()
    before = seat.facts()

    with pytest.raises(
        HostError, match=r"does not render Saver1 of Composition 1 .* frame 1004 is not at .*m0003.exr"
    ) as caught:
        seat.render("Saver1", 1004)

    assert "Render All Savers" in caught.value.hint and caught.value.frame == 1004
    assert seat.facts() == before


@pytest.mark.parametrize("own", ["", "Comp:/masks.exr"], ids=["none", "of the composition"])
def test_when_the_savers_own_path_is_none_on_disk_then_nothing_is_looked_for(tmp_path, own):
    seat = Seat(tmp_path)
    seat.saver().inputs["Clip"] = own

    with pytest.raises(HostError, match=f"is not at {own or 'any path'}"):
        seat.render("Saver1", 1004)


@pytest.mark.parametrize("compression", ["piz", "cut"])
def test_when_what_the_saver_wrote_cannot_be_read_then_the_setting_is_named(tmp_path, compression):
    seat = Seat(tmp_path)
    seat.saver(path=tmp_path / "own.exr")
    spec = oiio.ImageSpec(*SIZE, 4, "half")
    spec.attribute("compression", "piz" if compression == "piz" else "zip")
    file = oiio.ImageOutput.create(str(tmp_path / "own0003.exr"))
    assert file.open(str(tmp_path / "own0003.exr"), spec)
    file.write_image(np.ones((SIZE[1], SIZE[0], 4), np.float32))
    file.close()
    if compression == "cut":
        (tmp_path / "own0003.exr").write_bytes((tmp_path / "own0003.exr").read_bytes()[:600])

    with pytest.raises(HostError, match="wrote for frame 1004 cannot be read: it is c") as caught:
        seat.render("Saver1", 1004)

    assert "compression to ZIP" in caught.value.hint


def test_when_resolve_is_rendering_then_it_is_left_alone(tmp_path):
    seat = seat_with_saver(tmp_path)
    (tmp_path / "others").mkdir()
    job = seat.artist.other_job(tmp_path / "others")
    seat.session.project().StartRendering([job])
    before = seat.facts()

    with pytest.raises(HostError, match="rendering something else"):
        seat.render("Saver1", 1004)

    assert seat.facts() == before and not any(call.method == "SetInput" for call in seat.machine.calls)


def test_when_a_saver_is_cancelled_at_any_step_then_nothing_of_ours_stays(tmp_path):
    stop = 0
    while True:
        seat = seat_with_saver(tmp_path / str(stop))
        before, steps = seat.facts(), seat.steps("Saver1", 1004, 1006)
        ended = all(next(steps, "end") != "end" for _ in range(stop))
        steps.close()
        assert seat.facts() == before
        if not ended:
            break
        stop += 1
    assert stop > 4


def test_when_any_call_fails_then_the_masks_come_or_it_is_said_and_nothing_of_ours_stays(tmp_path):
    seats = []

    def machine():
        seats.append(seat_with_saver(tmp_path / str(len(seats))))
        seats[-1].before, seats[-1].clip = seats[-1].facts(), seats[-1].read()
        return seats[-1].machine

    def act(machine):
        seats[-1].done = seats[-1].render("Saver1", 1004)[0]

    for tried in faults(machine, act):
        seat = seats[-1]
        assert tried.error is None or isinstance(tried.error, HostError), tried
        if tried.error is None:
            assert seat.done == [1004], tried
            assert np.allclose(seat.mask(1004), drawn(seat, 1004), atol=0.04), tried
        seat.leftovers.put_back(seat.session)
        assert seat.facts() == seat.before, tried


def drawn(seat, frame):
    """The square on its way from key 0 to key 8, at a frame of the composition that counts from the media's first."""
    part = (frame - drawn_plate.FIRST) / 8
    known = np.interp(np.arange(SIZE[0] + 1), [24 + 12 * part, 72 + 12 * part], [0, 48])
    return square().max(1, keepdims=True) * np.diff(known)


def test_when_the_script_is_killed_while_a_saver_has_our_path_then_the_next_one_puts_it_back(tmp_path):
    seat = seat_with_saver(tmp_path)
    other = seat.machine.new_timeline("Other")
    seat.artist.open_timeline(seat.machine.project.timelines[0])
    before, steps = seat.facts(), seat.steps("Saver1", 1004, 1006)
    next(steps)
    next(steps)
    kept = (tmp_path / "leftovers.json").read_text()
    later = Leftovers(tmp_path / "later.json")
    (tmp_path / "later.json").write_text(kept)
    assert seat.comps[0].tools["Saver1"].value("Clip").startswith(str(seat.out))
    seat.artist.open_timeline(other)

    told = later.put_back(Session(seat.machine.resolve))

    assert told == () and later.kept() == ()
    assert seat.comps[0].tools["Saver1"].value("Clip") == str(tmp_path / "own" / "m.exr")
    seat.artist.open_timeline(seat.machine.project.timelines[0])
    steps.close()
    assert seat.facts() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda seat: seat.artist.delete(seat.item),
        lambda seat: seat.comps.drop(seat.comps[0]),
        lambda seat: seat.comps[0].remove(seat.comps[0].tools["Saver1"]),
        lambda seat: seat.comps[0].tools["Saver1"].inputs.update(Clip="/elsewhere/m.exr"),
    ],
    ids=["clip", "composition", "saver", "path"],
)
def test_when_the_artist_took_away_what_would_be_put_back_then_nothing_is_left_to_do(tmp_path, change):
    seat = seat_with_saver(tmp_path)
    steps = seat.steps("Saver1", 1004, 1006)
    next(steps)
    next(steps)
    (tmp_path / "later.json").write_text((tmp_path / "leftovers.json").read_text())
    change(seat)
    before = seat.machine.project_facts()
    later = Leftovers(tmp_path / "later.json")

    assert later.put_back(Session(seat.machine.resolve)) == ()

    assert later.kept() == () and seat.machine.project_facts() == before
    steps.close()
