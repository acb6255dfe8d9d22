"""Write small binary glTF files: boxes of triangles, plain, with colours of vertices, or with a picture on them."""

import io
import json
import struct

import numpy as np
from PIL import Image

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2
QUADS = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
TRIANGLES = np.array([t for a, b, c, d in QUADS for t in ((a, b, c), (a, c, d))])


def box(center, size, turn=None):
    """Corners of the triangles of a box (36, 3), none of them shared, as scanned houses have them."""
    return (CORNERS * size @ (np.eye(3) if turn is None else turn) + center)[TRIANGLES].reshape(-1, 3)


def glb(meshes, nodes=None):
    """Bytes of a file.

    `meshes` are dicts with `points` (3n, 3), and `colours` (3n, 3) uint8 or `picture` (h, w, 3) with `uv` (3n, 2);
    `nodes` those of the document, one per mesh where there are none.
    """
    blob, views, accessors, document = b"", [], [], {"asset": {"version": "2.0"}}
    images, entries = [], []

    def view(data):
        nonlocal blob
        blob += bytes(-len(blob) % 4)
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(data)})
        blob += data
        return len(views) - 1

    def accessor(values, kind, shape, **more):
        accessors.append({"bufferView": view(values.tobytes()), "componentType": kind, "count": len(values)})
        accessors[-1] |= {"type": shape, **more}
        return len(accessors) - 1

    for mesh in meshes:
        primitive = {"attributes": {"POSITION": accessor(np.asarray(mesh["points"], "<f4"), 5126, "VEC3")}}
        if "colours" in mesh:
            rgba = np.column_stack([mesh["colours"], np.full(len(mesh["colours"]), 255)]).astype(np.uint8)
            primitive["attributes"]["COLOR_0"] = accessor(rgba, 5121, "VEC4", normalized=True)
        if "picture" in mesh:
            buffer = io.BytesIO()
            Image.fromarray(mesh["picture"]).save(buffer, format="PNG")
            images.append({"bufferView": view(buffer.getvalue()), "mimeType": "image/png"})
            primitive["attributes"]["TEXCOORD_0"] = accessor(np.asarray(mesh["uv"], "<f4"), 5126, "VEC2")
            primitive["material"] = len(images) - 1
        entries.append({"primitives": [primitive]})
    nodes = [{"mesh": i} for i in range(len(meshes))] if nodes is None else nodes
    below = {child for node in nodes for child in node.get("children", [])}
    document |= {
        "scenes": [{"nodes": [i for i in range(len(nodes)) if i not in below]}],
        "nodes": nodes,
        "meshes": entries,
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(blob)}],
        "images": images,
        "textures": [{"source": i} for i in range(len(images))],
        "materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": i}}} for i in range(len(images))],
    }
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    blob += bytes(-len(blob) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(blob), 0x004E4942) + blob
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
