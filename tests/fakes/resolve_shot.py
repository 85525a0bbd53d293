"""A clip in the stand-in Resolve as a colorist has it before the first press: masked, with two keyframe markers."""

from pathlib import Path

from fakes import drawn_plate
from fakes.drawn_plate import FIRST, HEIGHT, LAST, WIDTH
from fakes.resolve import Machine, Profile


def timeline_with_clip(machine, plate, keys=(FIRST, LAST)):
    """What an artist has: the plate's clip at the timeline's start, masked and marked; returns its media and the clip."""
    artist = machine.artist
    artist.set_resolution(WIDTH, HEIGHT)
    media = artist.import_sequence(plate, FIRST, LAST)
    item = artist.place(media)
    artist.set_alpha_output(item, drawn_plate.matte)
    for frame in keys:
        artist.mark(item, frame - FIRST)
    artist.go_to(0)
    artist.page("color")
    return media, item


class ResolveShot:
    """A timeline with the drawn plate on its first track, from the plate's first to its last frame.

    Args:
        folder: plate, state and mattes go there.
        profile: edition and version.
        graded: whether the clip has a grade, and its plate is to be rendered with it.
        keys: frames with a Mint marker.
        plate: the pattern of a plate that was written before.

    Attributes:
        machine: the stand-in.
        item: the clip's model.
        session: a script's view of Resolve.
        leftovers: what the script has to put back.
    """

    def __init__(self, folder, profile=None, graded=False, keys=(FIRST, LAST), plate=""):
        self.folder = Path(folder)
        self.machine = Machine(profile or Profile("studio", (20, 3, 2)), self.folder)
        plate = plate or drawn_plate.write(self.folder / "plate")
        self.media, self.item = timeline_with_clip(self.machine, plate, keys)
        if graded:
            self.machine.artist.grade(self.item, lambda colour: colour * 0.8)
        from matted_resolve.host.leftovers import Leftovers  # the walk has the installed one
        from matted_resolve.host.session import Session

        self.session = Session(self.machine.resolve, self.machine.fusion, self.machine.bmd)
        self.leftovers = Leftovers(self.folder / "leftovers.json")

    def __enter__(self):
        self.machine.__enter__()
        return self

    def __exit__(self, *why):
        return self.machine.__exit__(*why)

    def host(self, **choices):
        """The clip as the buttons see it; its mattes go to ``mattes`` in the folder."""
        from matted_resolve.host.shot import ResolveHost

        made = ResolveHost(self.session, self.item.id, self.leftovers)
        made.choose("out", (self.folder / "mattes").as_posix())
        made.choose("plate", "rendered" if self.item.grade else "as it is")
        for name, value in choices.items():
            made.choose(name, str(value))
        return made
