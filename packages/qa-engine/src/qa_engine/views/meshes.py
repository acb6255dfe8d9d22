"""What a camera sees of a scene with a mesh: rays are cast at its triangles by Open3D (extra `open3d`, no display)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qa_engine.extras import open3d_core
from qa_engine.geometry import box_corners
from qa_engine.scenes.cameras import NEAR_M, Camera, rays
from qa_engine.scenes.meshes import Mesh
from qa_engine.scenes.scene import Scene
from qa_engine.views.boxes import (
    Views,
    beyond_border,
    boxes_with_points,
    cast_boxes,
    from_labels,
    kept,
    unoccluded,
)


class MeshCaster:
    """A mesh, ready for rays.

    Parameters
    ----------
    scene : Scene
    mesh : Mesh
        Triangles of objects that the scene does not have belong to none.

    Raises
    ------
    QAEngineError
        Open3D is not installed.
    """

    def __init__(self, scene: Scene, mesh: Mesh) -> None:
        self._o3d = open3d_core("Casting rays at meshes (see also --no-mesh)")
        self.scene = scene
        self._row = scene.rows_of(mesh.instance_id)
        self.has_surface = np.zeros(len(scene), dtype=bool)
        self.has_surface[self._row[self._row >= 0]] = True
        self._rays = self._o3d.t.geometry.RaycastingScene(nthreads=1)
        tensor = self._o3d.core.Tensor
        self._rays.add_triangles(tensor(mesh.vertices), tensor(mesh.triangles.astype(np.uint32)))

    def see(self, camera: Camera) -> Views:
        """Find what one image shows of each object.

        Notes
        -----
        A pixel shows the object of the first triangle that its ray meets. The share that nothing hides is that of the
        rays that meet the object at all. Objects without triangles of their own are seen as with a depth image, here
        the depth of the mesh: a pixel belongs to the smallest of their boxes that holds its point.
        """
        scene, n = self.scene, len(self.scene)
        direction = rays(camera)
        shape = direction.shape[:2]
        ray, depth, row = self._hits(direction.reshape(-1, 3), camera.world_from_camera[:3, 3])
        first = np.flatnonzero(np.diff(ray, prepend=-1))
        surface = np.full(shape, np.nan, dtype=np.float32)
        labels = np.full(shape, -1, dtype=np.int64)
        surface.flat[ray[first]] = depth[first]
        labels.flat[ray[first]] = row[first]
        corners = box_corners(scene.center, scene.size, scene.rotation)
        casts = []
        if not self.has_surface.all():
            every = cast_boxes(scene.center, scene.size, scene.rotation, corners, camera)
            casts = [cast for cast in every if not self.has_surface[cast.row]]
            loose = boxes_with_points(casts, surface, np.prod(scene.size, axis=1))
            labels = np.where(labels < 0, loose, labels)
        view = from_labels(labels, n, surface, stride=camera.stride)
        view["box_2d"] = np.minimum(view["box_2d"], [camera.width, camera.height] * 2)
        view["truncated"] = beyond_border(corners, camera)
        owned = row >= 0
        met = np.bincount(np.unique(ray[owned] * n + row[owned]) % max(n, 1), minlength=n)
        with np.errstate(invalid="ignore", divide="ignore"):
            share = view["visible_px"] / camera.stride**2 / met
        view["visible_fraction"] = np.where(self.has_surface, share, unoccluded(casts, n, surface, labels=None))
        return kept(view)

    def _hits(
        self, direction: NDArray[np.float32], eye: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
        """List where rays meet triangles, by ray and depth: number of the ray, depth, row of the object or -1."""
        both = np.concatenate([np.broadcast_to(eye.astype(np.float32), direction.shape), direction], axis=1)
        found = self._rays.list_intersections(self._o3d.core.Tensor(both))
        ray, depth = found["ray_ids"].numpy().astype(np.int64), found["t_hit"].numpy()
        row = self._row[found["primitive_ids"].numpy()]
        ahead = np.flatnonzero(depth > NEAR_M)
        order = ahead[np.lexsort((depth[ahead], ray[ahead]))]
        return ray[order], depth[order], row[order]
