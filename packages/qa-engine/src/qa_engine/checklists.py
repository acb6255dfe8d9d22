"""What each dataset consists of: files, what they are for, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass

_ARKIT = "download_data.py of Apple's ARKitScenes repository"
_SCANNET = "the download script that ScanNet's authors send after its terms are signed"
_SCANNETPP = "the download script of ScanNet++, with a token from its website"
_RSCAN = "the download script of 3RScan, sent after its terms are signed"
_HYPERSIM = "dataset_download_images.py of Apple's ml-hypersim repository"


@dataclass(frozen=True)
class Need:
    """A part of a dataset.

    Attributes
    ----------
    name : str
        What it is.
    patterns : tuple of str
        Names with `*`, relative to ROOT; `*` also stands for folders. Any of them will do.
    used_for : str
        What is missing without it.
    source : str
        Where to get it.
    required : bool
        Nothing can be ingested without it.
    """

    name: str
    patterns: tuple[str, ...]
    used_for: str
    source: str
    required: bool = False


CHECKLISTS: dict[str, tuple[Need, ...]] = {
    "vsi-bench": (
        Need("metadata", ("*meta_info*.json",), "boxes, counts, room sizes", "the VSI-Bench repository", True),
    ),
    "arkitscenes": (
        Need("annotations", ("*_3dod_annotation.json",), "boxes", f"{_ARKIT}: 3dod", True),
        Need("images", ("*lowres_wide/*.png", "*wide/*.png", "*_imgs/*.jpg"), "frames", f"{_ARKIT}: 3dod"),
        Need("cameras", ("*.pincam",), "intrinsics", f"{_ARKIT}: 3dod"),
        Need("trajectory", ("*.traj",), "poses: observations and coverage", f"{_ARKIT}: 3dod"),
        Need("depth", ("*lowres_depth/*.png", "*depth_densified/*.png"), "occlusion", f"{_ARKIT}: 3dod"),
        Need("mesh", ("*_3dod_mesh.ply",), "room size, occlusion", f"{_ARKIT}: 3dod"),
        Need("splits", ("*_train_val_splits.csv",), "rescans of one place in one split", f"{_ARKIT}: threedod/"),
    ),
    "scannet": (
        Need("aggregation", ("*.aggregation.json",), "objects", f"{_SCANNET}: --type .aggregation.json", True),
        Need(
            "mesh",
            ("*_vh_clean_2.ply", "*_vh_clean_2.labels.ply"),
            "boxes, cloud",
            f"{_SCANNET}: _vh_clean_2.ply",
            True,
        ),
        Need(
            "segments",
            ("*_vh_clean_2.0.010000.segs.json",),
            "boxes",
            f"{_SCANNET}: _vh_clean_2.0.010000.segs.json",
            True,
        ),
        Need("alignment", ("*scene????_??.txt",), "boxes along the walls (else --set frame=raw)", f"{_SCANNET}: .txt"),
        Need("recording", ("*.sens", "*color/*.jpg"), "frames, depth, poses", f"{_SCANNET}: .sens"),
        Need("label table", ("*scannetv2-labels.combined.tsv",), "--set labels=nyu40", f"{_SCANNET}: label map"),
    ),
    "scannetpp": (
        Need("annotation", ("*scans/segments_anno.json",), "boxes", _SCANNETPP, True),
        Need("iPhone images", ("*iphone/rgb/*.jpg",), "frames", "iphone/rgb.mkv, unpacked with the ScanNet++ toolbox"),
        Need(
            "iPhone poses",
            ("*iphone/pose_intrinsic_imu.json", "*iphone/colmap/images.txt", "*iphone/nerfstudio/transforms.json"),
            "observations and coverage",
            _SCANNETPP,
        ),
        Need("mesh", ("*scans/mesh_aligned_0.05.ply",), "cloud, room size, occlusion", _SCANNETPP),
        Need("DSLR images", ("*dslr/resized_images/*",), "frames with --set camera=dslr", _SCANNETPP),
    ),
    "3rscan": (
        Need("semantics", ("*semseg.v2.json",), "boxes", _RSCAN, True),
        Need("sequences", ("*sequence/*.color.jpg",), "frames, depth, poses", f"{_RSCAN}; unzip sequence.zip in place"),
        Need("mesh", ("*labels.instances.annotated.v2.ply",), "cloud, room size, occlusion", _RSCAN),
        Need("scan list", ("*3RScan.json",), "rescans of one room in one split", "the 3RScan website"),
    ),
    "replica": (
        Need(
            "semantics",
            ("*habitat/info_semantic.json",),
            "boxes",
            "download.sh of the Replica-Dataset repository",
            True,
        ),
        Need(
            "mesh",
            ("*habitat/mesh_semantic.ply",),
            "cloud, room size",
            "download.sh of the Replica-Dataset repository",
        ),
    ),
    "hypersim": (
        Need(
            "camera table",
            ("*metadata_camera_parameters.csv",),
            "scale and lens of every scene",
            "contrib/mikeroberts3000 of Apple's ml-hypersim repository",
            True,
        ),
        Need(
            "boxes", ("*bounding_box_object_aligned_2d_*.hdf5",), "boxes (else --set boxes=optional)", _HYPERSIM, True
        ),
        Need("labels", ("*mesh_objects_si.hdf5",), "categories", "evermotion_dataset/scenes of ml-hypersim", True),
        Need("images", ("*_final_preview/*.jpg",), "frames", _HYPERSIM),
        Need("poses", ("*camera_keyframe_orientations.hdf5",), "observations and coverage", _HYPERSIM),
        Need("depth", ("*depth_meters.hdf5",), "occlusion", _HYPERSIM),
    ),
    "multiscan": (
        Need("annotations", ("*.annotations.json",), "boxes", "the download script of MultiScan", True),
        Need("mesh", ("*scene_*.ply",), "cloud, room size", "the download script of MultiScan"),
        Need("triangles of objects", ("*.semseg.json",), "objects of the mesh", "the download script of MultiScan"),
    ),
    "adt": (
        Need("boxes", ("*3d_bounding_box.csv",), "boxes", "the Aria Digital Twin downloader: ground truth", True),
        Need(
            "poses of objects", ("*scene_objects.csv",), "boxes", "the Aria Digital Twin downloader: ground truth", True
        ),
        Need("names", ("*instances.json",), "categories", "the Aria Digital Twin downloader: ground truth", True),
    ),
    "procthor": (
        Need("houses", ("*.json", "*.jsonl", "*.jsonl.gz"), "rooms and objects", "the procthor-10k dataset", True),
        Need("asset sizes", ("*asset-database.json",), "boxes", "procthor/databases of the procthor repository", True),
    ),
    "embodiedscan": (
        Need("annotations", ("*embodiedscan_infos_*.pkl",), "boxes and cameras", "the form of EmbodiedScan", True),
    ),
    "generic": (
        Need(
            "objects",
            ("*boxes.json", "*boxes.csv", "*cloud.ply", "*cloud.pcd", "*mesh.ply", "*mesh.obj", "*mesh.gl*"),
            "boxes",
            "your own annotation",
            True,
        ),
        Need("cloud", ("*cloud.ply", "*cloud.pcd"), "room size, outline of the floor", "your scanner"),
        Need(
            "mesh",
            ("*mesh.ply", "*mesh.obj", "*mesh.glb", "*mesh.gltf"),
            "what frames show, room size",
            "your scanner, or a modelling program",
        ),
        Need(
            "poses",
            ("*transforms.json", "*poses.csv", "*images.txt"),
            "frames, observations and coverage",
            "nerfstudio, COLMAP (text model) or your own CSV",
        ),
        Need("depth", ("*depth/*.png",), "occlusion", "your scanner: uint16 PNG, millimetres"),
    ),
}
"""Dataset to its parts, the most important first."""
