"""The request that a shot of a job file makes."""

from __future__ import annotations

from typing import Any

from matted.batch.jobfile.draft import Draft
from matted.batch.jobfile.fields import FIELDS, text
from matted.batch.jobfile.paths import output
from matted.batch.keyframes import MaskSource
from matted.batch.request import Request
from matted.engine.plan import Direction
from matted.engine.session import SessionSettings
from matted.media.color import ColorSettings
from matted.media.matte import MatteSettings
from matted.weights import KNOWN


def make_request(draft: Draft) -> Request | None:
    """The request, or None when problems are in its way; what it needs and does not have becomes one."""
    for key in ("name", "plate", "out"):
        if key not in draft.given:
            draft.problem(None, f"The shot has no {key}.", f"Write it like {key} = {FIELDS[key].example}.")
    plate, out, masks = draft.path("plate"), draft.path("out", output), _masks(draft)
    color = draft.tried("exposure", lambda: _color(draft))
    mattes = draft.tried(_first(draft, "layout", "format", "compression"), lambda: _mattes(draft))
    weights = _weights(draft)
    if draft.problems or not (plate and out and masks and color and mattes and weights):
        return None
    return Request(
        plate=str(plate),
        masks=masks,
        out=out,
        name=draft.values["name"],
        frames=draft.values.get("range"),
        color=color,
        weights=weights,
        session=_session(draft),
        mattes=mattes,
        review=draft.values.get("review", True),
        **draft.plain("at", "missing", "frame_offset", "part", "layer", "suggestions", "priority"),
    )


def _masks(draft: Draft) -> tuple[MaskSource, ...] | None:
    """Where the masks are; None when that cannot be said."""
    if not {"objects", "keyframes"} & set(draft.given):
        draft.problem(None, "The shot has no keyframes.", f"Write keyframes = {FIELDS['keyframes'].example}.")
        return None
    _set_aside(draft)
    objects: dict[str, str | None] = draft.values.get("objects", {})
    if _refused(draft, objects):
        return None
    keyframes = draft.values.get("keyframes")
    sources = [
        _source(draft, name, "objects" if path else "keyframes", path or keyframes)
        for name, path in objects.items()
        if path or keyframes
    ]
    if keyframes and all(objects.values()):
        sources.append(_source(draft, None, "keyframes", keyframes))
    return tuple(source for source in sources if source)


def _set_aside(draft: Draft) -> None:
    """Where objects say themselves where their masks are, a shot's own word leaves out what the defaults say."""
    if all(draft.values.get("objects", {"": None}).values()):
        for key, other in (("keyframes", "objects"), ("objects", "keyframes")):
            if draft.is_default(key) and other in draft.given and not draft.is_default(other):
                del draft.given[key]
                draft.values.pop(key, None)


def _refused(draft: Draft, objects: dict[str, str | None]) -> bool:
    """Whether objects and masks do not go together; then that is a problem."""
    listed = [name for name, path in objects.items() if path is None]
    by_object = [key for key in ("keyframes", "mask_layer") if draft.has(key, "object")]
    if listed and "keyframes" not in draft.given:
        hint = f"Write keyframes = {FIELDS['keyframes'].example}, or objects = {{ {listed[0]} = PATH }}."
        draft.problem("objects", "It is not said where the masks of the objects are.", hint)
    elif by_object and "objects" not in draft.given:
        hint = f"Write objects = {FIELDS['objects'].example}."
        draft.problem(None, f"{by_object[0]} holds {{object}}, but the shot has no objects.", hint)
    elif "keyframes" in by_object and objects and not listed:
        hint = "List names alone in objects, or take {object} out of keyframes."
        draft.problem("keyframes", "keyframes holds {object}, but objects says where the masks are.", hint)
    elif len(listed) > 1 and not by_object and "keyframes" in draft.values:
        draft.problem("keyframes", "All objects of the shot would have the same masks.", "Put {object} in keyframes.")
    else:
        return False
    return True


def _source(draft: Draft, name: str | None, key: str, written: Any) -> MaskSource | None:
    path = draft.located(key, written, name=name)
    layer = draft.values.get("mask_layer")
    if layer is not None:
        layer = draft.tried("mask_layer", lambda: text(draft.expanded("mask_layer", str(layer), name)))
    return MaskSource(path, name, layer, draft.values.get("pick")) if path else None


def _color(draft: Draft) -> ColorSettings:
    config = draft.values.get("ocio")
    if config is not None and not config.startswith("ocio://"):
        path = draft.located("ocio", config)
        config = path and str(path)
    return ColorSettings(draft.values.get("colorspace"), draft.values.get("exposure", "auto"), config)


def _mattes(draft: Draft) -> MatteSettings:
    return MatteSettings(**draft.plain("format", "layout", "compression"))


def _session(draft: Draft) -> SessionSettings:
    direction = Direction(draft.values.get("direction", Direction.BOTH))
    return SessionSettings(**draft.plain("working_size"), direction=direction)


def _weights(draft: Draft) -> str | None:
    weights: str = draft.values.get("weights", "lite")
    if weights in KNOWN:
        return weights
    path = draft.located("weights", weights)
    return str(path) if path else None


def _first(draft: Draft, *keys: str) -> str:
    """The first of these keys that is given: where a problem of all of them is shown."""
    return next((key for key in keys if key in draft.given), keys[0])
