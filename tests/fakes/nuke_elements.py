"""What a Roto's tree of curves holds, behind the handles of the stand-in Nuke."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fakes.nuke_curves import AttributeData, Life, TransformData, default_attributes


@dataclass
class ElementData:
    """A layer, a shape (kind "bezier" or "bspline") or a stroke ("catmullrom")."""

    kind: str
    name: str
    flags: int = 512
    cc_flags: int = 8192
    transform: TransformData = field(default_factory=TransformData.identity)
    attributes: dict[str, AttributeData] = field(default_factory=dict)
    children: list[ElementData] = field(default_factory=list)
    points: list[Any] = field(default_factory=list)
    life: Life = field(default_factory=Life, compare=False)

    def __post_init__(self) -> None:
        self.attributes = self.attributes or default_attributes(self.kind)

    def walk(self) -> list[ElementData]:
        """This element and all below it."""
        return [self] + [found for child in self.children for found in child.walk()]
