"""The dual encoder against numbers of the public reference code; tolerances are those stated beside the numbers."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from qa_trainer.models.spatial_mllm.vggt import VGGT, VGGTConfig

DATA = os.environ.get("SPATIAL_QA_DATA")
GOLDEN = Path(DATA or ".") / "vggt_golden"
pytestmark = pytest.mark.skipif(
    DATA is None or not GOLDEN.is_dir(), reason="needs vggt_golden in the folder that SPATIAL_QA_DATA names"
)
HEADS = ("camera", "point", "depth")
TINY = VGGTConfig(
    **{"image_size": 70, "dim": 32, "depth": 6, "heads": 2, "dino_depth": 2, "dino_heads": 2, "camera_depth": 2},
    **{"camera_heads": 4, "head_layers": (1, 2, 4, 5), "head_features": 16, "head_channels": (8, 16, 24, 24)},
    built_heads=HEADS,
)


def tensors(name: str) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(GOLDEN / f"{name}.safetensors")


def values(name: str):
    return json.loads((GOLDEN / f"{name}.json").read_text())


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    with (GOLDEN / f"{name}.tsv").open() as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row.get("in_state_dict", "yes") == "yes"]
    return {row["name"]: tuple(int(side) for side in row["shape"].split("x")) for row in rows}


def near(found: torch.Tensor, wanted: torch.Tensor, tolerance: float) -> bool:
    return found.shape == wanted.shape and float((found - wanted).detach().abs().max()) <= tolerance


@pytest.fixture(scope="module")
def vggt() -> VGGT:
    model = VGGT(TINY).eval()
    model.load_released(tensors("vggt_tiny_weights"))
    return model.requires_grad_(False)


def test_names_shapes_and_norms_of_the_one_billion_model_are_the_released_ones():
    with torch.device("meta"):
        model = VGGT(VGGTConfig(built_heads=HEADS))
    # The point tracker is not built: nothing here uses it.
    wanted = {name: shape for name, shape in shapes("vggt_1b_state_dict").items() if "track_head" not in name}
    assert {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()} == wanted
    eps = values("vggt_1b_summary")["layer_norm_eps"]
    parts = {"aggregator.patch_embed": "aggregator/dino_patch_embed"}
    parts |= {f"aggregator.{kind}_blocks": f"aggregator/{kind}_blocks" for kind in ("frame", "global")}
    parts |= {f"{head}_head": f"{head}_head" for head in HEADS}
    seen = set()
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.LayerNorm):
            part = next(label for prefix, label in parts.items() if name.startswith(prefix))
            key = f"{part}:{name.rsplit('.', 1)[-1]}"
            assert eps[key] == [module.eps], name
            seen.add(key)
    assert seen == {key for key in eps if "track_head" not in key}


def test_a_release_loads_strictly_and_unused_heads_are_left_out(vggt):
    weights = tensors("vggt_tiny_weights") | {"track_head.tracker.query_ref_token": torch.zeros(1)}
    VGGT(TINY).load_released(weights)
    VGGT(VGGTConfig(**{**vars(TINY), "built_heads": ()})).load_released(weights)
    with pytest.raises(RuntimeError, match="Missing key"):
        vggt.load_released({name: value for name, value in weights.items() if "camera_token" not in name})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        vggt.load_released(weights | {"aggregator.extra": torch.zeros(1)})


@pytest.mark.parametrize("case", ["a_56x70_3f", "b_native_70x70_2f", "c_portrait_84x56_1f", "d_batch2_56x84_2f"])
def test_outputs_of_the_tiny_model(vggt, case):
    wanted = tensors(f"vggt_tiny_case_{case}")
    images = wanted["images"]
    layers = vggt.aggregator(images, range(6))
    assert all(near(layers[index], wanted[f"aggregated_tokens.{index}"], 2e-5) for index in range(6))
    # Only what is asked for is kept, and it is the same.
    last = vggt.aggregator(images, [-1])
    assert list(last) == [-1]
    assert last[-1].equal(layers[5])
    assert vggt.aggregator.patch_start == wanted["patch_start_idx"]
    rounds = vggt.camera_head(layers[5])
    assert all(near(found, wanted[f"pose_enc_iter.{index}"], 1e-5) for index, found in enumerate(rounds))
    found = vggt(images)
    for name in ("depth", "depth_conf", "world_points", "world_points_conf"):
        assert near(found[name], wanted[name], 5e-5), name
    normed = (images.flatten(0, 1) - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor(
        [0.229, 0.224, 0.225]
    )[:, None, None]
    dino = vggt.aggregator.patch_embed(normed)
    assert near(dino[:, 0], wanted["dino_x_norm_clstoken"], 1e-5)
    assert near(dino[:, 5:], wanted["dino_x_norm_patchtokens"], 1e-5)


def test_the_connector_merges_and_adds():
    from qa_trainer.models.spatial_mllm.connector import MLPConnector, merge_tokens

    connector = MLPConnector(128, 24, sees_visual=False)
    connector.load_state_dict(tensors("connector_mlp_add_tiny_weights"))
    cases = tensors("connector_mlp_add_tiny_cases")
    for name, case in values("connector_mlp_add_tiny")["cases"].items():
        grids, merged = cases[f"{name}.grid_thw"].tolist(), []
        for item in range(case["n_items"]):
            tokens = cases[f"{name}.item{item}.layer{case['n_layers'] - 1}"][:, 5:]
            # One item may span several rows of the grid.
            t = len(tokens) // 2
            merged.append(merge_tokens(tokens, (t, *grids[item][1:])))
        assert torch.cat(merged).equal(cases[f"{name}.merged"]), name
        fused = connector(cases[f"{name}.{case['kind']}_embeds"], torch.cat(merged))
        assert near(fused, cases[f"{name}.output"], 1e-5), name
    assert merge_tokens(cases["order.input"][:, 5:], (1, 4, 4)).equal(cases["order.merged"])
    with pytest.raises(ValueError, match="3 frames of 24 patches; the grid has 4 frames"):
        merge_tokens(torch.zeros(3, 24, 8), (2, 4, 6))


def test_vggt_and_connector_together(vggt):
    from qa_trainer.models.spatial_mllm.connector import MLPConnector, merge_tokens

    wanted = tensors("dual_encoder_tiny_case")
    connector = MLPConnector(512, 40, sees_visual=False)
    connector.load_state_dict(tensors("dual_encoder_tiny_connector_weights"))
    merged = [
        merge_tokens(vggt.tokens(wanted[f"video.{index}"][None])[0], grid)
        for index, grid in enumerate(wanted["grid_thw"].tolist())
    ]
    assert near(torch.cat(merged), wanted["merged"], 2e-5)
    assert near(connector(wanted["video_embeds"], torch.cat(merged)), wanted["fused"], 1e-5)


def test_names_of_the_whole_released_model():
    from qa_trainer.models.spatial_mllm.configuration_spatial_mllm import SpatialMLLMQwen2_5_VLConfig
    from qa_trainer.models.spatial_mllm.modeling_spatial_mllm import (
        SpatialMLLMQwen2_5_VLForConditionalGeneration,
        released_names,
    )
    from transformers.initialization import no_init_weights

    text = {"vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36}
    text |= {"num_attention_heads": 16, "num_key_value_heads": 2, "tie_word_embeddings": True}
    vision = {"depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 2048}
    config = SpatialMLLMQwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=True)
    with torch.device("meta"), no_init_weights():
        model = SpatialMLLMQwen2_5_VLForConditionalGeneration(config)
        names = released_names({name: torch.empty(s) for name, s in shapes("spatial_mllm_3b_state_dict").items()})
    found = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    assert found == {name: tuple(tensor.shape) for name, tensor in names.items()}


def test_pose_encoding_and_cameras():
    from qa_trainer.models.spatial_mllm.geometry import (
        cameras_from_pose_encoding,
        invert_cameras,
        matrix_from_quaternion,
        pose_encoding_from_cameras,
        quaternion_from_matrix,
    )

    cases = tensors("geometry_cases")
    assert near(matrix_from_quaternion(cases["rotation.quaternion_xyzw"]), cases["rotation.matrix"], 1e-6)
    back = matrix_from_quaternion(quaternion_from_matrix(cases["rotation.matrix"]))
    assert near(back, cases["rotation.matrix"], 1e-5)
    for size in ((392, 518), (56, 70), (644, 504)):
        key = f"pose.{size[0]}x{size[1]}"
        extrinsics, intrinsics = cameras_from_pose_encoding(cases["pose.pose_enc"], size)
        assert near(extrinsics, cases[f"{key}.extrinsics"], 1e-6)
        assert torch.allclose(intrinsics, cases[f"{key}.intrinsics"], rtol=1e-6)
        assert near(pose_encoding_from_cameras(extrinsics, intrinsics, size), cases[f"{key}.reencoded"], 1e-5)
    _, intrinsics = cameras_from_pose_encoding(cases["zero_fov.pose_enc"], (56, 70))
    assert torch.allclose(intrinsics, cases["zero_fov.intrinsics"], rtol=1e-6)
    assert intrinsics.isinf().any()
    assert near(invert_cameras(cases["inverse.camera_from_world"]), cases["inverse.world_from_camera"], 1e-6)


def test_unprojection_and_activations():
    from qa_trainer.models.spatial_mllm.geometry import unproject_depth
    from qa_trainer.models.spatial_mllm.vggt_heads import activate

    cases = tensors("geometry_cases")
    arguments = (cases["unproject.depth"][..., 0], cases["unproject.extrinsics"], cases["unproject.intrinsics"])
    camera, world, valid = unproject_depth(*arguments)
    assert near(camera, cases["unproject.camera_points"], 1e-6)
    assert near(world, cases["unproject.world_points"], 1e-5)
    assert valid.equal(cases["unproject.valid_mask"])
    depth = tensors("vggt_tiny_case_a_56x70_3f")["depth"][0, ..., 0]
    world = unproject_depth(depth, cases["tiny_a.extrinsics"][0], cases["tiny_a.intrinsics"][0])[1]
    assert near(world.float(), cases["tiny_a.world_points_from_depth"], 1e-5)
    for name, points in (("depth", False), ("point", True)):
        found = activate(cases[f"activation.{name}_raw"], points=points)
        assert near(found[0], cases[f"activation.{name}"], 1e-5)
        assert near(found[1], cases[f"activation.{name}_conf"], 1e-5)


def test_space_aware_sampling():
    from qa_trainer.frames.space_aware import greedy_cover, select_frames, voxelise

    cases, wanted = tensors("space_aware_sampling_cases"), values("space_aware_sampling")
    for name, scenario in wanted["scenarios"].items():
        points, confidence = cases[f"{name}.world_points"].numpy(), cases[f"{name}.confidence"].numpy()
        voxels = voxelise(points, confidence)
        assert np.array_equal(voxels.valid, cases[f"{name}.valid_mask"].numpy())
        rows = np.concatenate(
            [np.column_stack([np.full(len(v), f), voxels.cells[v]]) for f, v in enumerate(voxels.of_frame)]
        )
        table = cases[f"{name}.frame_and_voxel"].numpy()
        assert sorted(map(tuple, rows.tolist())) == list(map(tuple, table.tolist()))
        for k, selection in scenario["K"].items():
            order = greedy_cover(voxels.of_frame, int(k))
            assert order == selection["greedy_order"], (name, k)
            # The reference may give fewer; ours are filled up.
            chosen = select_frames(points, confidence, int(k))
            assert len(set(chosen)) == int(k)
            assert set(selection["selected_sorted"]) <= set(chosen)
    for case in wanted["greedy_only"]:
        assert greedy_cover([np.array(s, dtype=np.int64) for s in case["sets"]], case["K"]) == case["greedy_order"]


def test_images_are_resized_and_aligned_as_in_the_reference():
    from qa_trainer.models.spatial_mllm.processing_spatial_mllm import fit_to_patches, frames_from_patches
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

    wanted = values("qwen_alignment")
    for case in (*wanted["videos"], *wanted["images"]):
        size = smart_resize(case["height"], case["width"], factor=28, **wanted["limits"][case["limits"]])
        t, *grid = case["grid_thw"]
        assert tuple(grid) == (size[0] // 14, size[1] // 14)
        assert case["merged_tokens"] == t * grid[0] * grid[1] // 4
    for height, width, low, high, *resized in wanted["resize"]:
        # The reference can give a side of 0 for thin images; the library gives one block there.
        expected = [max(side, 28) for side in resized]
        assert list(smart_resize(height, width, factor=28, min_pixels=low, max_pixels=high)) == expected
    case = tensors("processor_case")
    grid = case["video_grid_thw"][0].tolist()
    frames = frames_from_patches(case["pixel_values_videos"], grid, patch_size=14)
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None]
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None]
    assert near(frames * std + mean, case["processed_videos"], 1e-6)
    # Patches of 16 pixels: the same grid of patches after scaling.
    assert fit_to_patches(torch.zeros(2, 3, 64, 96), patch_size=16, target=14).shape == (2, 3, 56, 84)


def test_points_of_a_clip_are_unprojected_depth_or_the_point_head():
    from qa_trainer.frames.sample import scene_points

    wanted, cameras = tensors("vggt_tiny_case_a_56x70_3f"), tensors("geometry_cases")
    for heads, points, confidence in (
        (("camera", "depth"), cameras["tiny_a.world_points_from_depth"], wanted["depth_conf"][0]),
        (("point",), wanted["world_points"][0], wanted["world_points_conf"][0]),
    ):
        model = VGGT(VGGTConfig(**{**vars(TINY), "built_heads": heads})).eval()
        model.load_released(tensors("vggt_tiny_weights"))
        found = scene_points(model, wanted["images"][0])
        assert np.abs(found[0] - points.numpy()).max() <= 5e-5
        assert np.abs(found[1] - confidence.numpy()).max() <= 5e-5
        assert near(found[2], wanted["aggregated_tokens.5"][0, :, 5:], 2e-5)
