"""USD scenes (.usd, .usda, .usdc, .usdz): triangles of their parts, labels, and how their world lies.

References
----------
OpenUSD's documentation: `UsdGeomMesh`, `UsdGeomPointInstancer`, `UsdSemanticsLabelsAPI`, and the metadata `upAxis` and
`metersPerUnit` of stages. Omniverse wrote labels as attributes `semantic:NAME:params:semanticType` and `semanticData`
before these had a schema.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.extras import require
from qa_engine.formats.canonical import Z_UP_FROM
from qa_engine.formats.parsing import check_inside
from qa_engine.formats.surfaces import MAX_ITEMS, Surface, checked_surface, fan

ENDINGS = (".usd", ".usda", ".usdc", ".usdz")
ABOUT = "scene of USD, up axis and unit by its metadata, labels by its semantics"
TAXONOMY = "class"
"""The kind of label that is a category."""

SHAPES = ("Cube", "Sphere", "Cylinder", "Cylinder_1", "Cone", "Capsule", "Capsule_1", "Plane")
"""Shapes by numbers, which become the boxes that hold them."""

HELPERS = ("guide", "proxy")
"""Purposes of what is not to be seen."""

SIDES = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
"""Sides of a box, by corners in the order of binary numbers."""


_Placed = tuple[Any, NDArray[np.float64], tuple[str, str]]
"""A prim, world from prim (4, 4) for points as rows, and path and label of its part."""


@dataclass(frozen=True, eq=False)
class UsdScene:
    """What a file holds.

    Attributes
    ----------
    surface : Surface
        In the file's own coordinates.
    labels : dict of int to str
        Part to its label, as far as the file has them.
    up : str
        `y` or `z`.
    metres_per_unit : float
    files : tuple of Path
        The file and those that it refers to.
    missing : tuple of str
        What it refers to and is not there.
    """

    surface: Surface
    labels: dict[int, str]
    up: str
    metres_per_unit: float
    files: tuple[Path, ...]
    missing: tuple[str, ...]

    @property
    def canonical_from_source(self) -> NDArray[np.float64]:
        """Turn and scale (4, 4) to metres with Z up."""
        return Z_UP_FROM[self.up] @ np.diag([*[self.metres_per_unit] * 3, 1.0])


@dataclass
class _Parts:
    """Triangles so far, with the parts that they belong to."""

    names: list[str] = field(default_factory=list)
    labels: dict[int, str] = field(default_factory=dict)
    points: list[NDArray[np.float64]] = field(default_factory=lambda: [np.zeros((0, 3))])
    triangles: list[NDArray[np.int64]] = field(default_factory=lambda: [np.zeros((0, 3), np.int64)])
    part: list[NDArray[np.int64]] = field(default_factory=lambda: [np.zeros(0, np.int64)])
    number: dict[str, int] = field(default_factory=dict)
    n_points: int = 0
    n_triangles: int = 0

    def add(self, key: str, name: str, label: str, points: NDArray[np.float64], corners: NDArray[np.int64]) -> None:
        """Take triangles of the part of a key, which is new or known."""
        if key not in self.number:
            self.number[key] = len(self.names)
            self.names.append(name)
            if label:
                self.labels[self.number[key]] = label
        self.points.append(points)
        self.triangles.append(corners + self.n_points)
        self.part.append(np.full(len(corners), self.number[key]))
        self.n_points += len(points)
        self.n_triangles += len(corners)


def read_usd(path: Path, roots: Sequence[Path]) -> UsdScene:
    """Read a scene at its first time.

    Raises
    ------
    QAEngineError
        usd-core is not installed.
    SceneError
        The file is damaged, or refers to files outside of `roots`.

    Notes
    -----
    A part is what carries a label; without labels a component, an instance, or a mesh by itself. Faces are taken as
    they are written, without subdivision. Invisible prims and helpers are left out, as are curves and points.
    """
    usd = _Usd(path)
    quiet = usd.utils.CoalescingDiagnosticDelegate()  # what the library would print; what is missing is in `missing`
    try:
        return _read(usd, path, roots)
    except (usd.tf.ErrorException, RuntimeError, UnicodeError) as error:
        try:
            said = str(error).strip().splitlines()[-1][:200]
        except (UnicodeError, IndexError):  # the library quotes bytes of the file
            said = "damaged text"
        raise SceneError(path.name, f"no whole USD ({said})", reason=IngestReason.BAD_FORMAT) from None
    finally:
        quiet.TakeUncoalescedDiagnostics()


def _read(usd: _Usd, path: Path, roots: Sequence[Path]) -> UsdScene:
    """Read a scene."""
    stage = usd.open()
    files = usd.layers(stage, roots)
    metres = float(usd.geom.GetStageMetersPerUnit(stage))
    if not 0 < metres < 1e6:
        problem = f"metersPerUnit is {metres}"
        raise SceneError(path.name, problem, reason=IngestReason.WRONG_UNITS)
    parts = _Parts()
    for prim, place, (owner, label) in usd.shapes(stage):
        points, corners = usd.triangles(prim)
        with np.errstate(over="ignore", invalid="ignore"):
            parts.add(owner, owner.rpartition("/")[2], label, points @ place[:3, :3] + place[3, :3], corners)
        if max(parts.n_points, parts.n_triangles) > MAX_ITEMS:
            problem = f"more than {MAX_ITEMS} vertices or triangles"
            raise SceneError(path.name, problem, reason=IngestReason.TOO_LARGE)
    surface = checked_surface(
        np.concatenate(parts.points),
        np.concatenate(parts.triangles),
        np.concatenate(parts.part),
        parts.names,
        path.name,
    )
    up = str(usd.geom.GetStageUpAxis(stage)).lower()
    return UsdScene(surface, parts.labels, up, metres, files, usd.missing(stage))


class _Usd:
    """The parts of usd-core that are used, and one file."""

    def __init__(self, path: Path) -> None:
        purpose = f"The USD scene {path.name}"
        self.path = path
        self.usd, self.geom, self.tf, self.utils = (
            require(f"pxr.{name}", extra="usd", purpose=purpose) for name in ("Usd", "UsdGeom", "Tf", "UsdUtils")
        )

    def open(self) -> Any:
        """Open the file."""
        stage = self.usd.Stage.Open(str(self.path))
        if not stage:
            raise SceneError(self.path.name, "no whole USD", reason=IngestReason.BAD_FORMAT)
        return stage

    def layers(self, stage: Any, roots: Sequence[Path]) -> tuple[Path, ...]:
        """List the files that it was read from; none may lie outside."""
        paths = {Path(layer.realPath) for layer in stage.GetUsedLayers() if layer.realPath}
        # Files inside of a package are named `a.usdz[b.usda]`.
        files = {Path(str(path).partition(".usdz[")[0] + ".usdz") if ".usdz[" in str(path) else path for path in paths}
        for path in files:
            check_inside(path, roots)
        return tuple(sorted(files))

    def missing(self, stage: Any) -> tuple[str, ...]:
        """Say what it refers to and is not there."""
        here = f"{self.path.parent.resolve()}/"
        lines = (str(error).strip().splitlines()[0] for error in stage.GetCompositionErrors())
        return tuple(line.replace(here, "")[:200] for line in lines)

    def shapes(self, stage: Any) -> Iterator[_Placed]:
        """List what can be seen."""
        time = self.usd.TimeCode.EarliestTime()
        cache = self.geom.XformCache(time)
        walk = iter(self.usd.PrimRange(stage.GetPseudoRoot(), self.usd.TraverseInstanceProxies()))
        for prim in walk:
            if self._hidden(prim):
                walk.PruneChildren()
            elif prim.IsA(self.geom.PointInstancer):
                walk.PruneChildren()
                yield from self._instances(prim, cache, time)
            elif self._is_shape(prim):
                yield prim, np.array(cache.GetLocalToWorldTransform(prim)), self._owner(prim)

    def triangles(self, prim: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Read the triangles of a shape: points (n, 3), corners (m, 3)."""
        time = self.usd.TimeCode.EarliestTime()
        if not prim.IsA(self.geom.Mesh):
            extent = self.geom.Boundable.ComputeExtentFromPlugins(self.geom.Boundable(prim), time)
            bounds = np.array(extent if extent else np.zeros((2, 3)), dtype=np.float64)
            corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
            return np.take_along_axis(bounds, corners, axis=0), fan(SIDES).reshape(-1, 3)
        mesh = self.geom.Mesh(prim)
        points = np.array(mesh.GetPointsAttr().Get(time) or [], dtype=np.float64).reshape(-1, 3)
        counts, corners = (
            np.array(attribute.Get(time) or [], dtype=np.int64)
            for attribute in (mesh.GetFaceVertexCountsAttr(), mesh.GetFaceVertexIndicesAttr())
        )
        place = f"{self.path.name}: {prim.GetPath()}"
        if (counts < 0).any() or counts.sum() != len(corners) or ((corners < 0) | (corners >= len(points))).any():
            problem = f"faces do not fit its {len(points)} points"
            raise SceneError(place, problem, reason=IngestReason.BAD_FORMAT)
        shown = counts >= 3
        shown[[i for i in mesh.GetHoleIndicesAttr().Get(time) or [] if 0 <= i < len(shown)]] = False
        start = np.cumsum(counts) - counts
        found = [np.zeros((0, 3), np.int64)]
        for k in np.unique(counts[shown]).tolist():
            first = start[shown & (counts == k)]
            found.append(fan(corners[first[:, None] + np.arange(k)]).reshape(-1, 3))
        return points, np.concatenate(found)

    def _instances(self, prim: Any, cache: Any, time: Any) -> Iterator[_Placed]:
        """List the shapes of the copies that an instancer places, each copy a part."""
        instancer = self.geom.PointInstancer(prim)
        models = [prim.GetStage().GetPrimAtPath(path) for path in instancer.GetPrototypesRel().GetForwardedTargets()]
        chosen = np.array(instancer.GetProtoIndicesAttr().Get(time) or [], dtype=np.int64)
        mask = np.array(instancer.ComputeMaskAtTime(time), dtype=bool)
        chosen = chosen[mask] if len(mask) == len(chosen) else chosen
        places = instancer.ComputeInstanceTransformsAtTime(time, time)
        if len(places) != len(chosen) or ((chosen < 0) | (chosen >= len(models))).any():
            problem = "its places do not fit its prototypes"
            raise SceneError(f"{self.path.name}: {prim.GetPath()}", problem, reason=IngestReason.BAD_FORMAT)
        world = np.array(cache.GetLocalToWorldTransform(prim))
        _, label = self._owner(prim)
        for i, (model, place) in enumerate(zip([models[k] for k in chosen.tolist()], places, strict=True)):
            for shape in self.usd.PrimRange(model, self.usd.TraverseInstanceProxies()) if model else ():
                if not self._is_shape(shape):
                    continue
                inside = np.array(cache.ComputeRelativeTransform(shape, model)[0])
                own = next((found for p in self._upwards(shape, model) if (found := self._label(p))), label)
                yield shape, inside @ np.array(place) @ world, (f"{prim.GetPath()}/{model.GetName()}_{i}", own)

    def _is_shape(self, prim: Any) -> bool:
        return prim.IsA(self.geom.Mesh) or prim.GetTypeName() in SHAPES

    def _hidden(self, prim: Any) -> bool:
        """Tell whether a prim and all below it are not to be seen."""
        if not prim.IsA(self.geom.Imageable):
            return False
        imageable = self.geom.Imageable(prim)
        visible = imageable.GetVisibilityAttr().Get(self.usd.TimeCode.EarliestTime())
        return visible == "invisible" or imageable.GetPurposeAttr().Get() in HELPERS

    def _owner(self, prim: Any) -> tuple[str, str]:
        """Find the part that a shape belongs to: path and label of what it is."""
        above = list(self._upwards(prim, None))
        for p in above:
            if label := self._label(p):
                return str(p.GetPath()), label
        whole = next((p for p in above if self.usd.ModelAPI(p).GetKind() == "component" or p.IsInstance()), prim)
        return str(whole.GetPath()), ""

    @staticmethod
    def _upwards(prim: Any, last: Any) -> Iterator[Any]:
        """List a prim and those above it, up to `last`."""
        while prim and not prim.IsPseudoRoot():
            yield prim
            if last is not None and prim == last:
                return
            prim = prim.GetParent()

    @staticmethod
    def _label(prim: Any) -> str:
        """Read the category of a prim, empty where it has none."""
        found = prim.GetAttribute(f"semantics:labels:{TAXONOMY}")
        if found and (words := found.Get()):
            return " ".join(str(words[0]).split())
        for attribute in prim.GetAttributes():
            name = attribute.GetName()
            if name.startswith("semantic:") and name.endswith(":semanticType") and attribute.Get() == TAXONOMY:
                data = prim.GetAttribute(f"{name.removesuffix('semanticType')}semanticData")
                if data and (word := data.Get()):
                    return " ".join(str(word).split())
        return ""
