"""Procedural furnished rooms: layout, camera walk and a renderer in plain numpy."""

from qa_engine.datasets.procedural.camera import walk
from qa_engine.datasets.procedural.layout import CATALOGUE, Furniture, Room, furnish
from qa_engine.datasets.procedural.render import Rendering, render

__all__ = ["CATALOGUE", "Furniture", "Rendering", "Room", "furnish", "render", "walk"]
