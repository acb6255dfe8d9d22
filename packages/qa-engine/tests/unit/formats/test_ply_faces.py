"""Faces of PLY files: triangles and polygons, alike and mixed, whole and damaged."""

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.ply_faces import face_numbers, read_ply

SQUARE = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]
ENCODINGS = ["ascii", "binary_little_endian", "binary_big_endian"]


def ply(encoding, faces, *, texture=False):
    """Four vertices; faces as (corners, object_id), with texture coordinates before the object where asked for."""
    header = ["ply", f"format {encoding} 1.0", "element vertex 4", *(f"property float {axis}" for axis in "xyz")]
    header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    header += ["property list uchar float texcoord"] if texture else []
    header += ["property int object_id", "end_header", ""]
    order = "<" if "little" in encoding else ">"
    body = b""
    for vertex in SQUARE:
        body += (
            (" ".join(map(str, vertex)) + "\n").encode() if encoding == "ascii" else struct.pack(f"{order}3f", *vertex)
        )
    for corners, number in faces:
        extra = [0.5] * (2 * len(corners)) if texture else []
        if encoding == "ascii":
            words = [len(corners), *corners, *([len(extra), *extra] if texture else []), number]
            body += (" ".join(map(str, words)) + "\n").encode()
            continue
        body += struct.pack(f"{order}B{len(corners)}i", len(corners), *corners)
        body += struct.pack(f"{order}B{len(extra)}f", len(extra), *extra) if texture else b""
        body += struct.pack(f"{order}i", number)
    return "\n".join(header).encode() + body


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("texture", [False, True])
@pytest.mark.parametrize(
    ("faces", "triangles", "objects"),
    [
        ([((0, 1, 2), 5), ((0, 2, 3), 7)], [[0, 1, 2], [0, 2, 3]], [5, 7]),
        ([((0, 1, 2, 3), 5)], [[0, 1, 2], [0, 2, 3]], [5, 5]),
        ([((0, 1, 2), 5), ((3, 2, 1, 0), 7), ((1, 2), 9)], [[0, 1, 2], [3, 2, 1], [3, 1, 0]], [5, 7, 7]),
    ],
)
def test_polygons_become_fans_with_the_properties_of_their_face(tmp_path, encoding, texture, faces, triangles, objects):
    path = tmp_path / "a.ply"
    path.write_bytes(ply(encoding, faces, texture=texture))
    mesh = read_ply(path)
    assert mesh.triangles.tolist() == triangles
    assert face_numbers(mesh, "object_id", "a.ply").tolist() == objects
    assert mesh.vertices["x"].tolist() == [0, 1, 1, 0]
    with pytest.raises(SceneError, match="found object_id"):
        face_numbers(mesh, "material", "a.ply")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("corners", [(0, 1, 4), (0, 1, -1)])
def test_vertices_that_do_not_exist_are_refused(tmp_path, encoding, corners):
    path = tmp_path / "a.ply"
    path.write_bytes(ply(encoding, [((0, 1, 2), 5), (corners, 7)]))
    with pytest.raises(SceneError, match=r"a\.ply: face\[1\]") as caught:
        read_ply(path)
    assert caught.value.reason is IngestReason.BAD_FORMAT


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_cut_faces_and_false_counts_are_refused(tmp_path, encoding):
    path = tmp_path / "a.ply"
    whole = ply(encoding, [((0, 1, 2), 5), ((0, 2, 3, 1), 7)])
    for data in (whole[:-6], whole.replace(b"face 2", b"face 9"), whole.replace(b"face 2", b"face 99999999999")):
        path.write_bytes(data)
        with pytest.raises(SceneError, match=r"a\.ply"):
            read_ply(path)


def test_a_file_without_faces_has_no_triangles(tmp_path):
    path = tmp_path / "a.ply"
    path.write_bytes(ply("ascii", []))
    assert len(read_ply(path).triangles) == 0


@given(st.integers(90, 420), st.binary(min_size=1, max_size=9), st.sampled_from(ENCODINGS), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=120, deadline=None)
def test_any_damage_is_a_refusal_or_a_mesh(tmp_path, place, noise, encoding, texture):
    path = tmp_path / "a.ply"
    whole = ply(encoding, [((0, 1, 2), 5), ((0, 2, 3, 1), 7), ((0, 2, 3), 7)], texture=texture)
    path.write_bytes(whole[:place] + noise + whole[place + len(noise) :])
    try:
        mesh = read_ply(path)
    except SceneError as error:
        if "a.ply" not in str(error):
            raise
    else:
        assert ((mesh.triangles >= 0) & (mesh.triangles < len(mesh.vertices))).all()
        assert len(mesh.face) == len(mesh.triangles)
