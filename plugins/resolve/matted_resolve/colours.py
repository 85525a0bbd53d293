"""What Resolve calls colour spaces, by names the daemon knows.

Everything made for a screen is called sRGB here: the networks were trained on such pictures, and the difference
between the curves of screens is far below what they notice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

SRGB = "sRGB"

_SPACES = (
    (("logc4",), "ARRI LogC4"),
    (("logc",), "ARRI LogC3 (EI800)"),
    (("sgamut3cine", "slog3"), "S-Log3 S-Gamut3.Cine"),
    (("sgamut3", "slog3"), "S-Log3 S-Gamut3"),
    (("log3g10",), "Log3G10 REDWideGamutRGB"),
    (("vlog",), "V-Log V-Gamut"),
    (("canonlog2",), "CanonLog2 CinemaGamut D55"),
    (("canonlog3",), "CanonLog3 CinemaGamut D55"),
    (("filmgen5",), "BMDFilm WideGamut Gen5"),
    (("applelog",), "Apple Log"),
    (("intermediate",), "DaVinci Intermediate WideGamut"),
    (("cineon",), "Cineon"),
    (("acescct",), "ACEScct"),
    (("acescc",), "ACEScc"),
    (("acescg",), "ACEScg"),
    (("aces20651",), "ACES2065-1"),
    (("st2084",), "Rec.2100-PQ - Display"),
    (("rec2100pq",), "Rec.2100-PQ - Display"),
    (("hlg",), "Rec.2100-HLG - Display"),
    (("linear", "rec2020"), "lin_rec2020"),
    (("linear", "p3d65"), "lin_p3d65"),
    (("linear", "davinciwg"), "Linear DaVinci WideGamut"),
    (("linear", "ap1"), "ACEScg"),
    (("linear", "ap0"), "ACES2065-1"),
    (("linear", "rec709"), "lin_rec709"),
    (("gamma22",), SRGB),
    (("gamma24",), SRGB),
    (("gamma26",), SRGB),
    (("srgb",), SRGB),
    (("rec709",), SRGB),
)
"""Words that a space's name holds, without anything but letters and digits; the first row that fits is taken."""

_PROJECT = frozenset({"", "project", "sameasproject"})


def known(name: str) -> str | None:
    """The daemon's name for one of Resolve's, such as ``Rec.709 Gamma 2.4``; None when it has none."""
    told = _plain(name)
    if told == "linear":  # of no gamut: Resolve leaves the primaries as they are
        return "lin_rec709"
    return next((space for words, space in _SPACES if all(word in told for word in words)), None)


def of_files(settings: Mapping[str, str], clip: Mapping[str, object]) -> tuple[str | None, tuple[str, ...]]:
    """What a clip's own files are in, and what to say about it; None lets the files say.

    Without colour management Resolve takes them as they are, and so does the daemon.

    Args:
        settings: of the timeline.
        clip: its properties.
    """
    if not _managed(settings):
        return None, ()
    told = str(clip.get("IDT" if _aces(settings) else "Input Color Space") or "")
    if _plain(told) in _PROJECT:
        told = _setting(settings, "colorAcesIDT" if _aces(settings) else "colorSpaceInput")
    space = known(told)
    if space is None and told:
        return None, (f"Resolve reads the files as {told}, which matted does not know: they are read as they say.",)
    return space, ()


def of_renders(settings: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """What Resolve renders a timeline in, and what to say about it.

    Args:
        settings: of the timeline.
    """
    told = _setting(settings, "colorSpaceOutput") if _managed(settings) else ""
    if _aces(settings):
        told = settings.get("colorAcesODT", "")
    if not _managed(settings) or _plain(told) == "sameastimeline":
        told = _setting(settings, "colorSpaceTimeline")
    space = known(told) if told else None
    if space == SRGB:
        return SRGB, ()
    if space is None:
        because = f"matted does not know {told}" if told else "Resolve does not tell its colours"
        return SRGB, (f"The rendered plate is taken for pictures made for a screen (sRGB): {because}.",)
    return space, (f"The rendered plate is taken to be in {space}, for Resolve's output is {told}.",)


def _managed(settings: Mapping[str, str]) -> bool:
    return "managed" in _mode(settings) or _aces(settings)


def _aces(settings: Mapping[str, str]) -> bool:
    return _mode(settings).startswith("aces")


def _mode(settings: Mapping[str, str]) -> str:
    """``davinciyrgb``, ``davinciyrgbcolormanagedv2``, ``acescct``..."""
    return _plain(settings.get("colorScienceMode", ""))


def _setting(settings: Mapping[str, str], name: str) -> str:
    """A space with its curve, which the project may keep apart."""
    return " ".join(filter(None, (settings.get(name, ""), _curve(settings, name))))


def _curve(settings: Mapping[str, str], name: str) -> str:
    return settings.get(f"{name}Gamma", "") if settings.get("separateColorSpaceAndGamma") == "1" else ""


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
