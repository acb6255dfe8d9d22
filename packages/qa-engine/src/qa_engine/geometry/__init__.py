"""Pure functions over arrays of boxes and points; numpy, scipy and shapely only."""

from qa_engine.geometry.boxes import box_bounds, box_corners, box_footprint, point_in_box
from qa_engine.geometry.directions import HALVES, QUADRANTS, THIRDS, Sectors, bearing_deg, turn_deg
from qa_engine.geometry.distance import box_distance

__all__ = [
    "HALVES",
    "QUADRANTS",
    "THIRDS",
    "Sectors",
    "bearing_deg",
    "box_bounds",
    "box_corners",
    "box_distance",
    "box_footprint",
    "point_in_box",
    "turn_deg",
]
