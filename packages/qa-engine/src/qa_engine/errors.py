"""Errors of the engine. All of them mean: the input is wrong, and the message says what to do."""

from __future__ import annotations

from enum import StrEnum
from functools import partial

from qa_contract import errors as contract


class QAEngineError(contract.UserError):
    """Base of the engine's errors; the command line ends with exit code 2 and shows the message."""


class IngestReason(StrEnum):
    """Why a scene or a frame was refused at ingest: the closed list behind `rejects.reason` of stage `ingest`."""

    MISSING_FILE = "missing_file"
    UNREADABLE_FILE = "unreadable_file"
    TOO_LARGE = "too_large"
    BAD_JSON = "bad_json"
    BAD_FORMAT = "bad_format"
    UNSAFE_FILE = "unsafe_file"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    NOT_FINITE = "not_finite"
    BAD_SIZE = "bad_size"
    BAD_ROTATION = "bad_rotation"
    BOX_MISMATCH = "box_mismatch"
    BAD_COUNT = "bad_count"
    BAD_NAME = "bad_name"
    DUPLICATE_INSTANCE = "duplicate_instance"
    DUPLICATE_SCENE = "duplicate_scene"
    BAD_FRAME = "bad_frame"
    BAD_CAMERA = "bad_camera"
    LENS_MODEL = "lens_model"
    WRONG_UNITS = "wrong_units"
    NOT_UPRIGHT = "not_upright"
    BOX_AXES = "box_axes"
    POSE_CONVENTION = "pose_convention"
    CAMERAS_OUTSIDE = "cameras_outside"
    NOTHING_IN_VIEW = "nothing_in_view"
    POINTS_OUTSIDE = "points_outside"
    ODD_SIZE = "odd_size"
    DEPTH_SCALE = "depth_scale"
    SIMILAR_LABELS = "similar_labels"
    SETTING = "setting"
    UNREAD_FILE = "unread_file"
    MASK_OF_SEVERAL = "mask_of_several"
    SEEN_TOO_RARELY = "seen_too_rarely"
    NO_LABEL = "no_label"
    LABELS_DIFFER = "labels_differ"
    CUT_IN_PARTS = "cut_in_parts"
    FAR_PART = "far_part"
    REVIEW_UNKNOWN = "review_unknown"
    NOT_ALIGNED = "not_aligned"
    SKIPPED = "skipped"

    @property
    def fix(self) -> str:
        """What the user can do about it."""
        return _FIXES[self]


_FIXES = {
    IngestReason.MISSING_FILE: "Put the file back, or leave the scene out with --only.",
    IngestReason.UNREADABLE_FILE: "Check that the file is whole and that you may read it.",
    IngestReason.TOO_LARGE: "Check that this is the right file; cut it into parts if it is.",
    IngestReason.BAD_JSON: "The file is cut off or damaged: export or download it again.",
    IngestReason.BAD_FORMAT: "The file is cut off, damaged or of another kind: download or export it again.",
    IngestReason.UNSAFE_FILE: "The file asks to run code, which is never done: download it from its official source.",
    IngestReason.MISSING_FIELD: "Compare the file with its format; export or download it again if it is damaged.",
    IngestReason.WRONG_TYPE: "Compare the file with its format; export or download it again if it is damaged.",
    IngestReason.NOT_FINITE: "Remove or correct the annotation.",
    IngestReason.BAD_SIZE: "Sizes are full lengths in metres above 0: remove or correct the annotation.",
    IngestReason.BAD_ROTATION: "The three rows must be unit axes of a right-handed box: correct the annotation.",
    IngestReason.BOX_MISMATCH: "Correct the axes or drop min and max.",
    IngestReason.BAD_COUNT: "Counts are whole numbers from 0 up: correct the file.",
    IngestReason.BAD_NAME: "Rename it.",
    IngestReason.DUPLICATE_INSTANCE: "Give each object its own id.",
    IngestReason.DUPLICATE_SCENE: "Keep one of the two folders.",
    IngestReason.BAD_FRAME: "Export the image again, or delete it.",
    IngestReason.BAD_CAMERA: "Correct the camera file, or delete it to ingest the frames without cameras.",
    IngestReason.LENS_MODEL: "Undistort the images, as COLMAP's image_undistorter does, and give their new cameras.",
    IngestReason.WRONG_UNITS: (
        "Convert lengths to metres, angles to radians; own scans: --set units=mm, cm, feet, inches or a number"
        " of metres, sizes=half, yaw=degrees."
    ),
    IngestReason.NOT_UPRIGHT: (
        "Turn the scene so that Z points up; own scans: --set up=y, -y, x, -x, -z, or a direction: up=0,0.5,0.87."
    ),
    IngestReason.BOX_AXES: "Read the box axes as they were written; own scans: --set axes=columns, quaternion=xyzw.",
    IngestReason.POSE_CONVENTION: (
        "Convert the poses; own scans: --set camera=opengl, camera=opencv or pose=camera_from_world."
    ),
    IngestReason.CAMERAS_OUTSIDE: "Check that poses and boxes are in one frame of reference.",
    IngestReason.NOTHING_IN_VIEW: "Check that poses and boxes are in one frame of reference.",
    IngestReason.POINTS_OUTSIDE: "Check that points and boxes are in one frame of reference and one unit.",
    IngestReason.ODD_SIZE: "Check the label and the size of this object.",
    IngestReason.DEPTH_SCALE: "Say how many units are a metre; own scans: --set depth_per_metre=5000, or depth=ray.",
    IngestReason.SIMILAR_LABELS: "Give what is the same one label; own scans: --set merge='chairs=chair'.",
    IngestReason.SETTING: "Leave this --set out, or give the poses in a format that it applies to.",
    IngestReason.UNREAD_FILE: "Nothing was taken from it: see 'Own scans' of the manual for what is read.",
    IngestReason.MASK_OF_SEVERAL: "Look whether these are one object or several; the masks were left out.",
    IngestReason.SEEN_TOO_RARELY: "Give masks of more frames, or a lower --min-frames.",
    IngestReason.NO_LABEL: "Give its masks a label, or leave the object out.",
    IngestReason.LABELS_DIFFER: "Look which label is right; the one with most pixels was taken.",
    IngestReason.CUT_IN_PARTS: "Look whether the parts are one object: other frames say so.",
    IngestReason.FAR_PART: "Look whether these are two objects; the larger part was taken.",
    IngestReason.REVIEW_UNKNOWN: "The reviews are of another store, or the object has another number now.",
    IngestReason.NOT_ALIGNED: (
        "Say which way is up when you ingest: own scans: --set up=y, -y, x, -x, -z, or a direction: up=0,0.5,0.87."
    ),
    IngestReason.SKIPPED: "It is left out on purpose: nothing to do, unless a switch or a file is named.",
}


NOTES = frozenset(
    {
        IngestReason.UNREAD_FILE,
        IngestReason.MASK_OF_SEVERAL,
        IngestReason.SEEN_TOO_RARELY,
        IngestReason.LABELS_DIFFER,
        IngestReason.CUT_IN_PARTS,
        IngestReason.FAR_PART,
        IngestReason.REVIEW_UNKNOWN,
    }
)
"""Reasons by which nothing is lost that was there: they stand in `rejects` with stage `check`."""


class SceneError(QAEngineError):
    """A scene breaks a rule of the canonical form, or its source cannot be read.

    Parameters
    ----------
    field : str
        The field at fault, with the object or frame where there is one: `objects[3].size`.
    problem : str
        What was found there and what was expected.
    reason : IngestReason
        Code for the table of rejects.

    Examples
    --------
    >>> print(SceneError("objects[3].size", "-1 is not above 0", reason=IngestReason.BAD_SIZE))
    objects[3].size: -1 is not above 0
    """

    def __init__(self, field: str, problem: str, *, reason: IngestReason) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem
        self.reason = reason


unknown_name = partial(contract.unknown_name, error=QAEngineError)
"""The error for a name that is not in a registry, with the closest one that is."""
