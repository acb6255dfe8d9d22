"""Pure functions over arrays of boxes and points; numpy, scipy and shapely only.

Names are looked up when first used: shapely and scipy's search trees take longer to load than most commands run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qa_engine.geometry.boxes import Boxes, box_bounds, box_corners, box_faces, box_footprint, point_in_box
from qa_engine.geometry.directions import HALVES, QUADRANTS, THIRDS, Sectors, bearing_deg, turn_deg
from qa_engine.geometry.distance import box_distance

if TYPE_CHECKING:
    from qa_engine.geometry.clouds import box_cloud_distance, cloud_distance, point_box_distance
    from qa_engine.geometry.relations import box_contains, box_supports, footprint_overlap
    from qa_engine.geometry.rooms import alpha_shape_area, occupancy_area, room_area

_LATE = {
    "box_cloud_distance": "clouds",
    "cloud_distance": "clouds",
    "point_box_distance": "clouds",
    "box_contains": "relations",
    "box_supports": "relations",
    "footprint_overlap": "relations",
    "alpha_shape_area": "rooms",
    "occupancy_area": "rooms",
    "room_area": "rooms",
}


def __getattr__(name: str) -> Any:
    """Load what needs scipy or shapely when it is asked for."""
    from importlib import import_module

    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)


__all__ = [
    "HALVES",
    "QUADRANTS",
    "THIRDS",
    "Boxes",
    "Sectors",
    "alpha_shape_area",
    "bearing_deg",
    "box_bounds",
    "box_cloud_distance",
    "box_contains",
    "box_corners",
    "box_distance",
    "box_faces",
    "box_footprint",
    "box_supports",
    "cloud_distance",
    "footprint_overlap",
    "occupancy_area",
    "point_box_distance",
    "point_in_box",
    "room_area",
    "turn_deg",
]
