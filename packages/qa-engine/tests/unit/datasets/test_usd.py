"""USD scenes: up axis, unit, instances and labels as the file has them."""

import sys

import numpy as np
import pytest
from qa_engine.datasets.base import IngestOptions
from qa_engine.datasets.generic import discover, load
from qa_engine.errors import IngestReason, QAEngineError, SceneError
from qa_engine.formats.usd import read_usd
from qa_engine.ingestion.doctor import diagnose

pytest.importorskip("pxr", reason="needs the extra 'usd'")

from pxr import Gf, Kind, Sdf, Usd, UsdGeom, UsdSemantics, UsdUtils

QUADS = [0, 1, 3, 2, 4, 6, 7, 5, 0, 4, 5, 1, 2, 3, 7, 6, 0, 2, 6, 4, 1, 5, 7, 3]
CORNERS = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]


def stage_of(path, up="Z", metres=1.0):
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, up)
    if metres:
        UsdGeom.SetStageMetersPerUnit(stage, metres)
    return stage


def cube(stage, path, size=(1, 1, 1), at=(0, 0, 0)):
    """A box from `at` to `at` + `size`, as a mesh."""
    mesh = UsdGeom.Mesh.Define(stage, path)
    mesh.GetPointsAttr().Set(
        [Gf.Vec3f(*(a + c * s for a, c, s in zip(at, corner, size, strict=True))) for corner in CORNERS]
    )
    mesh.GetFaceVertexCountsAttr().Set([4] * 6)
    mesh.GetFaceVertexIndicesAttr().Set(QUADS)
    return mesh


def isaac(prim, label):
    for name, value in (("semanticType", "class"), ("semanticData", label)):
        prim.CreateAttribute(f"semantic:Semantics_x:params:{name}", Sdf.ValueTypeNames.String).Set(value)


def labelled(prim, label):
    UsdSemantics.LabelsAPI.Apply(prim, "class").CreateLabelsAttr().Set([label])


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "scans" / "room"
    path.mkdir(parents=True)
    return path


def read(folder, **settings):
    return load(discover(folder.parent, IngestOptions(settings=settings))[0])


def test_centimetres_with_z_up_and_labels_of_isaac(folder):
    stage = stage_of(folder / "mesh.usda", metres=0.01)
    chair = UsdGeom.Xform.Define(stage, "/World/SM_Chair_03")
    chair.AddTranslateOp().Set(Gf.Vec3d(100, 200, 0))
    chair.AddRotateZOp().Set(90)
    isaac(chair.GetPrim(), "office_chair")
    cube(stage, "/World/SM_Chair_03/seat", (50, 40, 45))
    cube(stage, "/World/SM_Chair_03/back", (50, 5, 45), (0, 0, 45))
    labelled(cube(stage, "/World/table", (120, 80, 75), (300, 0, 0)).GetPrim(), "table")
    cube(stage, "/World/unlabelled")
    stage.Save()
    scene = read(folder)
    assert scene.category.tolist() == ["office chair", "table"]
    assert np.allclose(scene.size, [[0.4, 0.5, 0.9], [1.2, 0.8, 0.75]], atol=1e-6)
    assert np.allclose(scene.center, [[0.8, 2.25, 0.45], [3.6, 0.4, 0.375]], atol=1e-6)
    assert np.bincount(scene.mesh.instance_id + 1).tolist() == [12, 24, 12]
    assert not scene.refused
    diagnosis = diagnose(folder.parent, options=IngestOptions())
    assert "up axis and unit by its metadata" in diagnosis.formats["usd"]


def test_metres_with_y_up_instances_and_a_package(folder, tmp_path):
    stage = stage_of(tmp_path / "room.usda", up="Y")
    model = UsdGeom.Xform.Define(stage, "/Models/Chair").GetPrim()
    labelled(model, "chair")
    cube(stage, "/Models/Chair/mesh", (0.5, 0.9, 0.4))
    UsdGeom.Scope.Define(stage, "/Models").MakeInvisible()
    for i in range(2):
        prim = UsdGeom.Xform.Define(stage, f"/World/copy_{i}")
        prim.AddTranslateOp().Set(Gf.Vec3d(2 * i, 0, -3))
        prim.GetPrim().GetReferences().AddInternalReference("/Models/Chair")
        prim.GetPrim().SetInstanceable(True)
    stage.Save()
    assert UsdUtils.CreateNewUsdzPackage(str(tmp_path / "room.usda"), str(folder / "mesh.usdz"))
    scene = read(folder)
    assert scene.category.tolist() == ["chair", "chair"]
    assert np.allclose(scene.size, [[0.5, 0.4, 0.9]] * 2, atol=1e-6)
    assert np.allclose(scene.center, [[0.25, 2.8, 0.45], [2.25, 2.8, 0.45]], atol=1e-6)


def test_parts_without_labels_have_names_and_shapes_by_numbers_their_bounds(folder):
    stage = stage_of(folder / "mesh.usdc", up="Y")
    component = UsdGeom.Xform.Define(stage, "/Room/Storage0").GetPrim()
    Usd.ModelAPI(component).SetKind(Kind.Tokens.component)
    cube(stage, "/Room/Storage0/left", (0.5, 1, 0.5))
    cube(stage, "/Room/Storage0/right", (0.5, 1, 0.5), (0.5, 0, 0))
    ball = UsdGeom.Sphere.Define(stage, "/Room/Ball2")
    ball.GetRadiusAttr().Set(0.25)
    cube(stage, "/Room/Hidden1").GetPurposeAttr().Set("guide")
    instancer = UsdGeom.PointInstancer.Define(stage, "/Room/Cups")
    cube(stage, "/Room/Cups/Cup", (0.1, 0.1, 0.1))
    instancer.GetPrototypesRel().AddTarget("/Room/Cups/Cup")
    instancer.GetProtoIndicesAttr().Set([0, 0])
    instancer.GetPositionsAttr().Set([Gf.Vec3f(0, 1, 0), Gf.Vec3f(1, 1, 0)])
    stage.Save()
    scene = read(folder, labels="names")
    assert scene.category.tolist() == ["storage", "ball", "cup", "cup"]
    assert np.allclose(scene.size, [[1, 0.5, 1], [0.5] * 3, [0.1] * 3, [0.1] * 3], atol=1e-6)
    assert np.allclose(scene.center[2:], [[0.05, -0.05, 1.05], [1.05, -0.05, 1.05]], atol=1e-6)
    (folder / "labels.json").write_text('{"Storage0": "Schränke"}')
    assert read(folder).category.tolist() == ["schränke"]


def test_switches_go_before_the_metadata_and_units_left_out_are_centimetres(folder):
    stage = stage_of(folder / "mesh.usda", up="Y", metres=None)
    labelled(cube(stage, "/Bed", (200, 160, 60)).GetPrim(), "bed")
    stage.Save()
    assert np.allclose(read(folder).size, [[2, 0.6, 1.6]])
    assert np.allclose(read(folder, up="z").size, [[2, 1.6, 0.6]])
    assert np.allclose(read(folder, units="mm").size, [[0.2, 0.06, 0.16]])


def test_boxes_of_another_format_keep_their_world_beside_usd(folder, room):
    room.write_boxes(folder)
    stage = stage_of(folder / "mesh.usda", up="Y", metres=0.01)
    cube(stage, "/Sofa", (200, 80, 90))
    stage.Save()
    scene = read(folder)
    assert len(scene) == len(room.OBJECTS)
    assert (scene.canonical_from_source == np.eye(4)).all()
    assert np.allclose(np.ptp(scene.mesh.vertices, axis=0), [2, 0.9, 0.8])


def test_files_outside_and_files_that_are_missing(folder, tmp_path):
    secret = stage_of(tmp_path / "secret.usda")
    cube(secret, "/Root/Thing")
    secret.Save()
    stage = stage_of(folder / "mesh.usda")
    labelled(cube(stage, "/Bed", (2, 1.6, 0.6)).GetPrim(), "bed")
    stage.DefinePrim("/Other").GetReferences().AddReference("./nowhere.usda", "/Root")
    stage.Save()
    scene = read(folder)
    assert scene.category.tolist() == ["bed"]
    (error,) = scene.refused
    assert error.reason is IngestReason.MISSING_FILE
    assert "nowhere.usda" in str(error)
    stage.DefinePrim("/More").GetReferences().AddReference("../../secret.usda", "/Root")
    stage.Save()
    with pytest.raises(SceneError, match="link out of the dataset"):
        read(folder)


@pytest.mark.parametrize("data", [b"", b"#usda 1.0\n(", b"PXR-USDC" + bytes(80), b"\xff" * 500, "größe".encode()])
@pytest.mark.parametrize("ending", ["usd", "usda", "usdc", "usdz"])
def test_damaged_files_are_refused(folder, data, ending):
    (folder / f"mesh.{ending}").write_bytes(data)
    with pytest.raises(SceneError, match="no whole USD"):
        read(folder)


@pytest.mark.parametrize("change", ["points", "indices", "counts", "infinite", "unit"])
def test_damaged_numbers_are_refused(folder, change):
    stage = stage_of(folder / "mesh.usda", metres=float("nan") if change == "unit" else 1.0)
    mesh = cube(stage, "/a")
    if change in ("points", "infinite"):
        mesh.GetPointsAttr().Set([Gf.Vec3f(0, 0, float("inf"))] * (8 if change == "infinite" else 2))
    elif change == "indices":
        mesh.GetFaceVertexIndicesAttr().Set([-1, *QUADS[1:]])
    elif change == "counts":
        mesh.GetFaceVertexCountsAttr().Set([4] * 5 + [2_000_000_000])
    stage.Save()
    with pytest.raises(SceneError):
        read_usd(folder / "mesh.usda", (folder,))


def test_without_the_library_the_extra_is_named(folder, monkeypatch):
    (folder / "mesh.usdz").write_bytes(b"PK")
    monkeypatch.setitem(sys.modules, "pxr.Usd", None)
    with pytest.raises(QAEngineError, match=r"pip install qa-engine\[usd\]"):
        read(folder)
