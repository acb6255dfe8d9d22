"""Images inside a page, for pages of one file."""

from __future__ import annotations

import base64
import io
from pathlib import Path

KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif"}
"""Endings that a browser shows as they are."""


def data_url(path: Path, *, side_px: int = 480, small_bytes: int = 120_000) -> str | None:
    """Turn an image into a data URL, made smaller where it is large.

    Parameters
    ----------
    path : Path
    side_px : int
        Longest side of what is embedded of a large file.
    small_bytes : int
        Files up to this size that a browser can show are embedded as they are.

    Returns
    -------
    str or None
        None where the file is missing or is no image.
    """
    from PIL import Image

    kind = KINDS.get(path.suffix.lower())
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            image.verify()
        if kind is None or len(data) > small_bytes:
            with Image.open(io.BytesIO(data)) as image:
                small = image.convert("RGB")
            small.thumbnail((side_px, side_px))
            out = io.BytesIO()
            small.save(out, "JPEG", quality=82)
            data, kind = out.getvalue(), "image/jpeg"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
