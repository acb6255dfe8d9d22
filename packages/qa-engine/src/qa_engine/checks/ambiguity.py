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
