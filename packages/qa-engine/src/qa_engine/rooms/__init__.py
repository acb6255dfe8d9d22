"""Procedural furnished rooms: layout, camera walk and a renderer in plain numpy."""

from qa_engine.rooms.camera import walk
from qa_engine.rooms.layout import CATALOGUE, Furniture, Room, furnish
from qa_engine.rooms.render import Rendering, render

__all__ = ["CATALOGUE", "Furniture", "Rendering", "Room", "furnish", "render", "walk"]
