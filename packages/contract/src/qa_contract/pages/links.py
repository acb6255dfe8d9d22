"""Addresses and data in a page that no name and no text can break out of."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup


def href(target: Path | str, start: Path | str = "") -> str:
    """Write the address of a file for a page: relative, with every special character quoted.

    Parameters
    ----------
    target : Path or str
        File, relative to the folder `start` or, like `start`, in the file system.
    start : Path or str
        Folder of the page that holds the link; `target` is taken as it is where not given.

    Examples
    --------
    >>> href("frames/a b&c<script>/0 1.png")
    'frames/a%20b%26c%3Cscript%3E/0%201.png'
    >>> href("/runs/scores/report.html", "/runs/pages")
    '../scores/report.html'
    >>> href("javascript:alert(1)")
    'javascript%3Aalert%281%29'
    """
    path = os.path.relpath(target, start) if str(start) else os.fspath(target)
    # Names of files that are not UTF-8 are quoted byte by byte.
    return quote(Path(path).as_posix().encode("utf-8", "surrogateescape"))


def anchor(text: str) -> str:
    """Turn a heading into an id.

    Examples
    --------
    >>> anchor("Risk & coverage, 95%"), anchor("Größe"), anchor("中文")
    ('risk-coverage-95', 'grosse', '中文')
    """
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(part for part in plain if not unicodedata.combining(part))
    return re.sub(r"[^\w]+", "-", plain).strip("-_") or "part"


def json_text(value: Any) -> Markup:
    r"""Write JSON for a `<script type="application/json">` element; no text in it can end the element.

    Examples
    --------
    >>> print(json_text({"name": "</script><b>"}))
    {"name":"\u003c/script\u003e\u003cb\u003e"}
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)
