"""From a source's coordinates to the canonical ones: metres, Z up, right-handed, OpenCV cameras."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError

Z_UP_FROM_Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
"""Right-handed, Y up to right-handed, Z up: a quarter turn about x."""

Z_UP_FROM = {
    "z": np.eye(4),
    "y": Z_UP_FROM_Y_UP,
    "-y": np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]]),
    "x": np.array([[0.0, 0, -1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]),
    "-x": np.array([[0.0, 0, 1, 0], [0, 1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]]),
    "-z": np.diag([1.0, -1, -1, 1]),
}
"""Turns by the axis of the source that points up; all are rotations, so that left stays left."""

Z_UP_FROM_UNITY = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
"""Left-handed, Y up to right-handed, Z up: y and z change places."""

OPENGL_FROM_OPENCV = np.diag([1.0, -1, -1, 1])
"""Camera axes: x right, y up, looking along -z, from x right, y down, looking along z; its own inverse."""

QUATERNION_TOLERANCE = 1e-2
"""A quaternion whose length is further from 1 is damaged; sources store them with 4 digits or more."""

AXES_TOLERANCE = 1e-2
"""Largest entry of |R Rᵀ - I| of axes that are written with few digits."""


def rotations(quaternion: NDArray[np.float64], field: str, *, order: str) -> NDArray[np.float64]:
    """Turn unit quaternions (n, 4) into matrices (n, 3, 3).

    Parameters
    ----------
    order : str
        `wxyz` or `xyzw`.

    Raises
    ------
    SceneError
        A quaternion is not of length 1.

    Examples
    --------
    >>> rotations(np.array([[1.0, 0, 0, 0]]), "pose", order="wxyz")[0].tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    from scipy.spatial.transform import Rotation

    values = np.asarray(quaternion, dtype=np.float64).reshape(-1, 4)
    if not len(values):
        return np.zeros((0, 3, 3))
    bad = np.flatnonzero(~is_unit(values))
    if len(bad):
        raise SceneError(f"{field}[{bad[0]}]", no_unit(values[bad[0]]), reason=IngestReason.BAD_ROTATION)
    return Rotation.from_quat(values[:, [1, 2, 3, 0]] if order == "wxyz" else values).as_matrix()


def is_unit(quaternion: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which quaternions (n, 4) are of length 1, (n,); those that are damaged are not."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.abs(np.linalg.norm(quaternion, axis=1) - 1) <= QUATERNION_TOLERANCE


def no_unit(quaternion: NDArray[np.float64]) -> str:
    """Say what is wrong with a quaternion (4,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        length = np.linalg.norm(quaternion)
    return f"the quaternion {quaternion.tolist()} has length {length:.3g}, expected 1"


def right_angled(axes: NDArray[np.float64], field: str) -> NDArray[np.float64]:
    """Give the rotation nearest to axes (3, 3) that files hold with too few digits for a store; rows stay the axes.

    A left-handed box is the same box with its first axis the other way.

    Raises
    ------
    SceneError
        They are not at right angles, or not of length 1.

    Examples
    --------
    >>> right_angled(np.diag([-1.0, 1, 1.004]), "box").tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    with np.errstate(over="ignore", invalid="ignore"):
        off = np.abs(axes @ axes.T - np.eye(3)).max()
    if not off <= AXES_TOLERANCE:
        raise SceneError(field, "axes are not at right angles", reason=IngestReason.BAD_ROTATION)
    u, _, v = np.linalg.svd(axes)
    found = u @ v + 0.0
    return found * np.array([-1.0, 1, 1])[:, None] + 0.0 if np.linalg.det(found) < 0 else found


def poses(rotation: NDArray[np.float64], position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Join rotations (n, 3, 3) and positions (n, 3) into poses (n, 4, 4)."""
    pose = np.zeros((len(rotation), 4, 4))
    pose[:, :3, :3], pose[:, :3, 3], pose[:, 3, 3] = rotation, position, 1
    return pose


def z_up_from(up: str) -> NDArray[np.float64]:
    """Read how a source's world lies, as text of the command line.

    Parameters
    ----------
    up : str
        An axis of `Z_UP_FROM`; three numbers, the direction that points up; `gravity:` and three numbers, the direction
        of gravity; or the 9 or 16 numbers of a matrix, row by row, that turns and scales the source to Z up.

    Returns
    -------
    (4, 4) float64
        Canonical world from the source's.

    Raises
    ------
    ValueError
        The text is none of these; the message says what is wrong.

    Examples
    --------
    >>> z_up_from("0,2,0")[:3, :3].round(9).tolist() == z_up_from("y")[:3, :3].tolist()
    True
    >>> z_up_from("gravity:0,0,9.81").tolist() == z_up_from("-z").tolist()
    True
    """
    if up in Z_UP_FROM:
        return Z_UP_FROM[up]
    downwards = up.startswith("gravity:")
    words = up.removeprefix("gravity:").replace(",", " ").split()
    try:
        values = np.array([float(word) for word in words])
    except ValueError:
        raise ValueError("it holds something that is no number") from None
    if not np.isfinite(values).all() or len(values) not in ((3,) if downwards else (3, 9, 16)):
        raise ValueError(f"{len(values)} numbers" if np.isfinite(values).all() else "a number is not finite")
    if len(values) == 3:
        direction = -values if downwards else values
        length = np.linalg.norm(direction)
        if length > 0 and direction[2] < -0.999 * length:
            return Z_UP_FROM["-z"] @ turn_onto(Z_UP_FROM["-z"][:3, :3] @ direction, np.eye(3)[2])
        return turn_onto(direction, np.eye(3)[2])
    matrix = np.eye(4)
    side = 3 if len(values) == 9 else 4
    matrix[:side, :side] = values.reshape(side, side)
    scale = np.cbrt(abs(np.linalg.det(matrix[:3, :3])))
    turn = matrix[:3, :3] / scale if scale > 0 else matrix[:3, :3]
    if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-3) or not np.allclose(matrix[3], [0, 0, 0, 1]):
        raise ValueError("the matrix does not only turn, scale alike and shift")
    return matrix


def turn_onto(vector: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smallest rotation (4, 4) that turns one direction into another.

    Raises
    ------
    ValueError
        A direction has no length, or the two are opposite.

    Examples
    --------
    >>> (turn_onto(np.array([0.0, 0, -2]), np.array([0.0, 0, -1])) == np.eye(4)).all()
    np.True_
    """
    lengths = np.linalg.norm(vector), np.linalg.norm(target)
    if not all(np.isfinite(lengths)) or min(lengths) < 1e-9:
        raise ValueError("the direction has no length")
    a, b = vector / lengths[0], target / lengths[1]
    if a @ b < -0.999:
        raise ValueError("the directions are opposite")
    x, y, z = np.cross(a, b)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(4)
    turn[:3, :3] += cross + cross @ cross / (1 + a @ b)
    return turn


def readable(label: str) -> str:
    """Write a source's label as words of a question.

    Examples
    --------
    >>> [readable(label) for label in ("ceiling_light", "tv-screen", "AlarmClock", "TVStand", " office chair ")]
    ['ceiling light', 'tv screen', 'alarm clock', 'tv stand', 'office chair']
    """
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\-\s]+", " ", label)
    return " ".join(words.split()).lower()
