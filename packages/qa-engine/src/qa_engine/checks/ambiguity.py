"""Margins below which a question has no clear answer.

Sources: [paper] VSI-Bench, arXiv 2412.14171; [data] smallest or largest value over its 5,130 released questions;
[code] the public re-implementation of its rules, VLM-3R `vlm_3r_data_process`.
"""

MIN_COUNT = 2
"""Objects that a counted category has at least. [paper, data]"""

MIN_DISTANCE_M = 0.2
"""Rounded distance below which no distance is asked. [code; data: smallest 0.4]"""

MIN_CLOSEST_M = 0.15
"""Distance of the closest option below which "the closest" is not asked. [data: 0.1509]"""

MIN_OPTION_GAP_M = 0.15
"""Difference between the distances of any two options. [data: 0.1504; the paper's 0.30 m for rooms above 40 m2 is not
what its data uses]"""

MIN_DIRECTION_DISTANCE_M = 0.3
"""Smallest distance between any two of the three objects of a direction. [data: 0.3000]"""

MAX_DIRECTION_DISTANCE_M = 5.0
"""Largest distance between any two of the three objects of a direction. [data: 4.966]"""

MIN_SECTOR_MARGIN_DEG = 10.0
"""Angle between a direction and the next border. [data: 10.25 or more; on the hard level only towards the next border
counter-clockwise, which profile `exact` asks both ways]"""

MAX_FOREIGN_VERTICES = 2
"""Of the 8 box corners of the object asked about, those in another sector than its centre. [data: 2]"""

MIN_PICTURE_GAP = 0.05
"""Share of an image's width or height by which two things are apart that one calls left and right, above and below.
[OpenSpatial and SpatialEvo have no such margin: their left and right flip with a pixel]"""

MIN_HEIGHT_GAP_CM = 10.0
"""Difference in height or width that is told by eye across a room. [OpenSpatial and SPRITE have none]"""

MIN_VOLUME_GAP_L = 10.0
"""Difference in volume, beside the noise of three extents, which is 16%."""

MIN_TOP_GAP_M = 0.15
"""Difference in height above the floor. [code: SpatialEvo's tie of elevations]"""

MAX_SMALL_M = 0.5
"""Longest side of an object that one describes by what it is close to. [PinpointQA asks about small objects]"""

MIN_TURN_DEG = 15.0
"""Turn that one would call a turn at all. [code: view pairs of the field's generators; SpatialEvo asks from 8]"""

MIN_CAMERA_DISTANCE_M = 0.2
MAX_CAMERA_DISTANCE_M = 10.0
"""Distances between a camera and an object, or two cameras, that are asked for. [code: VLM-3R's VSTI]"""

MIN_DEPTH_GAP_M = 0.15
"""Difference in distance to the camera from which on one thing is nearer. [code: SpatialEvo's ties; VSTI's extents]"""

MIN_MAP_M = 2.0
"""Largest distance between things on a map of 10 x 10 cells: a cell is then wider than a centre is off."""

MIN_MAP_GAP_M = 0.5
"""Distance between any two centres on a map, seen from above, so that each can tell which way the map is turned."""

MAX_TILT_DEG = 1.0
"""Tilt of a box from which on it does not stand upright. [data: boxes of ARKitScenes and ScanNet++ stand upright]"""

MIN_LEVELNESS = 0.3
"""Level part of a direction of view, of 1, from which on "ahead" means something: 73 degrees up or down."""

MIN_HIDDEN_PERCENT = 10.0
"""Share of an object that is hidden from which on one would say so."""

MIN_RISE_M = 0.15
"""Difference in height between two cameras. [code: SpatialEvo's tie of elevations]"""

MIN_MOVE_M = 0.3
"""Distance between two cameras from which on it has a direction."""

MIN_LEVEL = 0.5
"""Length of the direction of view on the floor plan: a camera that looks down by 60 degrees or more has no heading."""
