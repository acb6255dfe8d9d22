import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qa_engine.errors import IngestReason, SceneError
from qa_engine.formats.ply import positions, read_vertices

FIELDS = [("x", "f4"), ("y", "f4"), ("z", "f4"), ("red", "u1"), ("label", "u2")]
NAMES = {"f4": "float", "u1": "uchar", "u2": "ushort"}
POINTS = np.array([(1, 2, 3, 255, 7), (-1, 0.5, 0, 0, 65535)], FIELDS)


def ply(encoding="ascii", points=POINTS, n=None):
    header = [f"ply\nformat {encoding} 1.0\ncomment made by a test\nelement vertex {len(points) if n is None else n}"]
    header += [f"property {NAMES[kind]} {name}" for name, kind in FIELDS]
    header += ["element face 1", "property list uchar int vertex_indices", "end_header\n"]
    if encoding == "ascii":
        body = "".join(" ".join(map(str, row)) + "\n" for row in points.tolist()).encode() + b"3 0 1 0\n"
    else:
        order = "<" if "little" in encoding else ">"
        body = points.astype([(name, order + kind) for name, kind in FIELDS]).tobytes() + b"\x03" + bytes(12)
    return "\n".join(header).encode() + body


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_all_encodings_give_the_same_vertices(tmp_path, encoding):
    path = tmp_path / "a.ply"
    path.write_bytes(ply(encoding))
    vertices = read_vertices(path)
    assert (vertices == POINTS).all()
    assert positions(vertices, "a.ply").tolist() == [[1, 2, 3], [-1, 0.5, 0]]


@pytest.mark.parametrize("encoding", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_cut_files_and_false_counts_are_refused(tmp_path, encoding):
    path = tmp_path / "a.ply"
    whole = ply(encoding)
    for data in (b"", whole[:20], whole[:-32], ply(encoding, n=10**9), ply(encoding, n=10**14), ply(encoding, n="-1")):
        path.write_bytes(data)
        with pytest.raises(SceneError, match=r"a\.ply") as caught:
            read_vertices(path)
        assert caught.value.reason is IngestReason.BAD_FORMAT


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("property float x", "property list uchar float x"),
        ("property float x", "property float y"),
        ("property float x", "property string x"),
        ("format ascii", "format zip"),
        ("1.0 2.0 3.0", "1.0 2.0 x"),
        ("255 7", "nan 7"),
        ("255 7", "255"),
    ],
)
def test_damaged_files_are_refused(tmp_path, old, new):
    path = tmp_path / "a.ply"
    path.write_bytes(ply().replace(old.encode(), new.encode()))
    with pytest.raises(SceneError, match=r"a\.ply"):
        read_vertices(path)


def test_points_that_are_not_finite_are_named(tmp_path):
    path = tmp_path / "a.ply"
    path.write_bytes(ply().replace(b"-1.0 0.5", b"-1.0 inf"))
    with pytest.raises(SceneError, match=r"vertex\[1\]"):
        positions(read_vertices(path), "a.ply")
    with pytest.raises(SceneError, match="found x"):
        positions(np.array([(1,)], [("x", "f4")]), "a.ply")


@pytest.mark.filterwarnings("error")
def test_a_nan_that_signals_is_refused_without_a_warning(tmp_path):
    path = tmp_path / "a.ply"
    whole = ply("binary_little_endian")
    begin = whole.index(b"end_header\n") + 11
    path.write_bytes(whole[:begin] + b"\x01\x00\x80\x7f" + whole[begin + 4 :])
    with pytest.raises(SceneError, match=r"vertex\[0\]"):
        positions(read_vertices(path), "a.ply")


@given(st.integers(0, 400), st.binary(max_size=12), st.sampled_from(["ascii", "binary_little_endian"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_any_damage_is_a_refusal_or_vertices(tmp_path, place, noise, encoding):
    path = tmp_path / "a.ply"
    whole = ply(encoding)
    path.write_bytes(whole[:place] + noise + whole[place + len(noise) :])
    try:
        vertices = read_vertices(path)
    except SceneError:
        return
    assert vertices.dtype.names
