"""Read hostile glTF 2.0 files (.glb, or .gltf with its buffers): the triangles of a scene, by the node they are of."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.parsing import check_inside, expect, member, number, numbers, parse_json, read_bytes
from qa_engine.formats.surfaces import MAX_ITEMS, Surface, checked_surface
from qa_engine.scenes.fields import shorten

MAX_BYTES = 2_000_000_000
MAX_NODES = 1_000_000
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
FLOATS, SHARES = ("<f4",), ("<f4", "<u1", "<u2")
SHAPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
TRIANGLES = 4
PACKED = ("KHR_draco_mesh_compression", "EXT_meshopt_compression", "KHR_mesh_quantization")
"""Extensions that change how vertices are stored."""


def read_gltf(path: Path, roots: Sequence[Path]) -> Surface:
    """Read the scene of a glTF file; its parts are the nodes with a mesh, by name.

    Parameters
    ----------
    path : Path
    roots : sequence of Path
        Resolved folders that buffers may lie in.

    Raises
    ------
    SceneError
        The file is damaged, packed (Draco, meshopt), or names what does not exist.

    Notes
    -----
    Y is up in glTF. Skins, morph targets, cameras and materials are not read; lines and points are left out.
    """
    reader = open_gltf(path, roots)
    points, triangles, part = [np.zeros((0, 3))], [np.zeros((0, 3), np.int64)], [np.zeros(0, np.int64)]
    names: list[str] = []
    n_points = n_triangles = 0
    for name, mesh, matrix in reader.nodes():
        for primitive in reader.primitives(mesh):
            vertices, corners = primitive.vertices, primitive.corners
            if n_points + len(vertices) > MAX_ITEMS or n_triangles + len(corners) > MAX_ITEMS:
                problem = f"more than {MAX_ITEMS} vertices or triangles"
                raise SceneError(path.name, problem, reason=IngestReason.TOO_LARGE)
            with np.errstate(over="ignore", invalid="ignore"):
                points.append(vertices @ matrix[:3, :3].T + matrix[:3, 3])
            triangles.append(corners + n_points)
            part.append(np.full(len(corners), len(names)))
            n_points += len(vertices)
            n_triangles += len(corners)
        names.append(name)
    return checked_surface(np.concatenate(points), np.concatenate(triangles), np.concatenate(part), names, path.name)


def open_gltf(path: Path, roots: Sequence[Path]) -> GltfDocument:
    """Read the document of a glTF file; raise SceneError as `read_gltf` does."""
    data = read_bytes(path, max_bytes=MAX_BYTES)
    text, blob = _chunks(data, path.name) if data[:4] == b"glTF" else (data, None)
    return GltfDocument(expect(parse_json(text, path.name), dict, path.name), blob, path, roots)


@dataclass(frozen=True, eq=False)
class Primitive:
    """Triangles of a mesh: vertices (n, 3) of its node, corners (m, 3), and the entry of the document."""

    vertices: NDArray[np.float64]
    corners: NDArray[np.int64]
    entry: dict[str, Any]


def _chunks(data: bytes, name: str) -> tuple[bytes, bytes | None]:
    """Split a .glb file into its JSON and its buffer."""
    found: dict[int, bytes] = {}
    at = 12
    while at + 8 <= len(data):
        length, kind = struct.unpack_from("<II", data, at)
        if at + 8 + length > len(data):
            raise SceneError(name, "cut off", reason=IngestReason.BAD_FORMAT)
        found.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 8 + length + (-length) % 4
    if JSON_CHUNK not in found:
        raise SceneError(name, "no JSON in the .glb file", reason=IngestReason.BAD_FORMAT)
    return found[JSON_CHUNK], found.get(BINARY_CHUNK)


class GltfDocument:
    """Looks up the parts of a document; every error names the file and the field.

    Parameters
    ----------
    document : dict
    blob : bytes or None
        The buffer inside of a .glb file.
    path : Path
    roots : sequence of Path
    """

    def __init__(self, document: dict[str, Any], blob: bytes | None, path: Path, roots: Sequence[Path]) -> None:
        self.document = document
        self.path = path
        self._blob, self._roots = blob, roots
        self._buffers: dict[int, bytes] = {}
        packed = [name for name in self._list("extensionsRequired") if name in PACKED]
        if packed:
            problem = f"packed by {packed[0]}: export the mesh without compression"
            raise SceneError(f"{path.name}: extensionsRequired", problem, reason=IngestReason.BAD_FORMAT)

    def nodes(self) -> list[tuple[str, int, NDArray[np.float64]]]:
        """List the nodes of the scene that have a mesh: name, mesh, and scene_from_node (4, 4)."""
        scenes = self._list("scenes")
        nodes = self._list("nodes")
        scene = self._item("scenes", self._index(self.document.get("scene", 0), "scene")) if scenes else {}
        roots = expect(scene.get("nodes", list(range(len(nodes))) if not scenes else []), list, self._field("scenes"))
        open_nodes = [(self._index(i, "scenes.nodes"), np.eye(4)) for i in reversed(roots)]
        found: list[tuple[str, int, NDArray[np.float64]]] = []
        seen: set[int] = set()
        while open_nodes:
            i, above = open_nodes.pop()
            node = self._item("nodes", i)
            if i in seen or len(seen) > MAX_NODES:
                problem = "a node has two parents, or is its own"
                raise SceneError(self._field(f"nodes[{i}]"), problem, reason=IngestReason.BAD_FORMAT)
            seen.add(i)
            with np.errstate(over="ignore", invalid="ignore"):
                matrix = above @ _local(node, self._field(f"nodes[{i}]"))
            children = expect(node.get("children", []), list, self._field(f"nodes[{i}].children"))
            open_nodes += [(self._index(c, f"nodes[{i}].children"), matrix) for c in reversed(children)]
            if "mesh" in node:
                mesh = self._index(node["mesh"], f"nodes[{i}].mesh")
                name = node.get("name", self._item("meshes", mesh).get("name", ""))
                found.append((name if isinstance(name, str) else "", mesh, matrix))
        return found

    def primitives(self, mesh: int) -> list[Primitive]:
        """Read the triangles of a mesh."""
        field = f"meshes[{mesh}]"
        found: list[Primitive] = []
        for i, entry in enumerate(member(self._item("meshes", mesh), "primitives", list, self._field(field))):
            primitive = expect(entry, dict, self._field(f"{field}.primitives[{i}]"))
            mode = primitive.get("mode", TRIANGLES)
            if mode != TRIANGLES:
                if mode in (5, 6):
                    problem = "strips and fans of triangles: export plain triangles"
                    raise SceneError(
                        self._field(f"{field}.primitives[{i}].mode"), problem, reason=IngestReason.BAD_FORMAT
                    )
                continue
            attributes = member(primitive, "attributes", dict, self._field(f"{field}.primitives[{i}]"))
            position = self._index(attributes.get("POSITION"), f"{field}.primitives[{i}].attributes.POSITION")
            with np.errstate(invalid="ignore"):  # a NaN that signals; what is not finite is refused with the surface
                vertices = self.values(position, 3, FLOATS).astype(np.float64)
            corners = np.arange(len(vertices) // 3 * 3)
            if "indices" in primitive:
                indices = self._index(primitive["indices"], f"{field}.primitives[{i}].indices")
                corners = self.values(indices, 1, tuple(TYPES.values()))[:, 0].astype(np.int64)
            corners = corners[: len(corners) // 3 * 3].reshape(-1, 3)
            if len(corners) and not (corners.min() >= 0 and corners.max() < len(vertices)):
                problem = f"an index is beyond the {len(vertices)} vertices"
                raise SceneError(self._field(field), problem, reason=IngestReason.BAD_FORMAT)
            found.append(Primitive(vertices, corners, primitive))
        return found

    def attribute(self, primitive: Primitive, name: str, widths: Sequence[int]) -> NDArray[np.float64] | None:
        """Read an attribute of vertices, (n, width); whole numbers that stand for shares become 0 to 1."""
        attributes = member(primitive.entry, "attributes", dict, self._field("primitive"))
        if name not in attributes:
            return None
        i = self._index(attributes[name], f"attributes.{name}")
        found = next((width for width in widths if self._item("accessors", i).get("type") == SHAPES[width]), widths[0])
        values = self.values(i, found, SHARES)
        if len(values) != len(primitive.vertices):
            problem = f"{len(values)} values for {len(primitive.vertices)} vertices"
            raise SceneError(self._field(f"attributes.{name}"), problem, reason=IngestReason.BAD_FORMAT)
        whole = values.dtype.kind == "u"
        return values / np.iinfo(values.dtype).max if whole else values.astype(np.float64)

    def texture(self, primitive: Primitive) -> bytes | None:
        """Read the encoded picture that colours a primitive, None where it has none."""
        if not isinstance(primitive.entry.get("material"), int):
            return None
        material = self._item("materials", self._index(primitive.entry["material"], "material"))
        place: Any = material.get("pbrMetallicRoughness", {})
        for key in ("baseColorTexture", "index"):
            place = place.get(key) if isinstance(place, dict) else None
        if place is None:
            return None
        source = self._item("textures", self._index(place, "baseColorTexture.index")).get("source")
        image = self._item("images", self._index(source, "textures.source"))
        if "bufferView" in image:
            begin, length, buffer = self._view(self._index(image["bufferView"], "images.bufferView"), "images")
            return buffer[begin : begin + length]
        return self._linked(image.get("uri"), self._field("images.uri"))

    def values(self, i: int, width: int, kinds: Sequence[str]) -> NDArray[Any]:
        """Read an accessor, (count, width), of one of these types."""
        item, field = self._item("accessors", i), self._field(f"accessors[{i}]")
        kind = TYPES.get(item.get("componentType", 0)) if isinstance(item.get("componentType"), int) else None
        expected = SHAPES[width]
        if kind is None or kind not in kinds or item.get("type") != expected or "sparse" in item:
            problem = f"expected plain {expected}, found {shorten(item)}"
            raise SceneError(field, problem, reason=IngestReason.BAD_FORMAT)
        count, offset = (_size(item.get(key, 0), f"{field}.{key}") for key in ("count", "byteOffset"))
        place = self._index(item.get("bufferView"), f"accessors[{i}].bufferView")
        begin, length, buffer = self._view(place, field)
        itemsize = np.dtype(kind).itemsize * width
        stride = _size(self._item("bufferViews", place).get("byteStride", itemsize), f"{field}.bufferView.byteStride")
        end = offset + (count - 1) * stride + itemsize
        if count and (stride < itemsize or end > length or begin + length > len(buffer)):
            raise SceneError(field, f"{count} values do not fit the buffer", reason=IngestReason.BAD_FORMAT)
        if not count:
            return np.zeros((0, width), kind)
        raw = np.frombuffer(buffer, np.uint8, (count - 1) * stride + itemsize, begin + offset)
        rows = np.lib.stride_tricks.as_strided(raw, (count, itemsize), (stride, 1), writeable=False)
        return np.ascontiguousarray(rows).view(kind)

    def _view(self, i: int, field: str) -> tuple[int, int, bytes]:
        """Find the place, the length and the buffer of a view."""
        view = self._item("bufferViews", i)
        begin, length = (_size(view.get(key, 0), f"{field}.bufferView.{key}") for key in ("byteOffset", "byteLength"))
        return begin, length, self._buffer(self._index(view.get("buffer"), f"{field}.bufferView.buffer"))

    def _buffer(self, i: int) -> bytes:
        """Read a buffer: that of the .glb file, one written as text, or a file beside it."""
        if i not in self._buffers:
            uri = self._item("buffers", i).get("uri")
            own = self._blob if uri is None and i == 0 else None
            self._buffers[i] = self._linked(uri, self._field(f"buffers[{i}].uri")) if own is None else own
        return self._buffers[i]

    def _linked(self, uri: object, field: str) -> bytes:
        """Read what an address names: bytes written as text, or a file beside the document."""
        if isinstance(uri, str) and uri.startswith("data:"):
            try:
                return base64.b64decode(uri.partition(",")[2], validate=True)
            except (binascii.Error, ValueError) as error:
                raise SceneError(field, str(error), reason=IngestReason.BAD_FORMAT) from None
        name = expect(uri, str, field)
        if not name or "\0" in name or ":" in name:
            raise SceneError(field, f"{shorten(name)} is no file", reason=IngestReason.BAD_NAME)
        try:
            check_inside(self.path.parent / name, self._roots)
            return read_bytes(self.path.parent / name, max_bytes=MAX_BYTES)
        except SceneError as error:
            raise SceneError(field, f"{shorten(name)}: {error.problem}", reason=error.reason) from None

    def _list(self, key: str) -> list[Any]:
        return expect(self.document.get(key, []), list, self._field(key))

    def _item(self, key: str, i: int) -> dict[str, Any]:
        items = self._list(key)
        if i >= len(items):
            problem = f"missing; there are {len(items)}"
            raise SceneError(self._field(f"{key}[{i}]"), problem, reason=IngestReason.MISSING_FIELD)
        return expect(items[i], dict, self._field(f"{key}[{i}]"))

    def _index(self, value: object, field: str) -> int:
        return _size(value, self._field(field))

    def _field(self, field: str) -> str:
        return f"{self.path.name}: {field}"


def _size(value: object, field: str) -> int:
    """Check a count or an index."""
    if type(value) is not int or not 0 <= value < 2**40:
        raise SceneError(field, f"{shorten(value)} is no number from 0 up", reason=IngestReason.WRONG_TYPE)
    return value


def _local(node: dict[str, Any], field: str) -> NDArray[np.float64]:
    """Read where a node stands in its parent, (4, 4): a matrix by columns, or shift, turn (x, y, z, w) and scale."""
    from scipy.spatial.transform import Rotation

    if "matrix" in node:
        return np.array(numbers(node["matrix"], 16, f"{field}.matrix")).reshape(4, 4).T
    matrix = np.eye(4)
    turn = np.array(numbers(node.get("rotation", [0, 0, 0, 1]), 4, f"{field}.rotation"))
    with np.errstate(over="ignore"):
        length = number(float(np.linalg.norm(turn)), f"{field}.rotation")
    if length < 1e-6:
        raise SceneError(f"{field}.rotation", "a quaternion without length", reason=IngestReason.BAD_ROTATION)
    scale = numbers(node.get("scale", [1, 1, 1]), 3, f"{field}.scale")
    matrix[:3, :3] = Rotation.from_quat(turn / length).as_matrix() * np.array(scale)
    matrix[:3, 3] = numbers(node.get("translation", [0, 0, 0]), 3, f"{field}.translation")
    return matrix
