"""A shot with known mattes, drawn by code: what a newcomer runs first and what the benchmarks run on."""

from matted.demo.scene import Scene
from matted.demo.shot import DemoShot, draw_demo

__all__ = ["DemoShot", "Scene", "draw_demo"]
