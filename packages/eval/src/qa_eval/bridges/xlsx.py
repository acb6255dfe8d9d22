"""Rows of the first sheet of an Excel file, as VLMEvalKit writes its predictions; nothing but the standard library."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
LARGEST = 1 << 30
"""Bytes of an unpacked sheet; more is no table of answers."""
PLACE = re.compile(r"([A-Z]+)[0-9]+")


def read_xlsx(path: Path) -> list[dict[str, Any]]:
    """Read the rows under the first one, which names the columns; empty cells are None.

    Raises
    ------
    ValueError
        The file is no Excel file with a table.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sheets = sorted((n for n in archive.namelist() if n.startswith("xl/worksheets/sheet")), key=_number)
            if not sheets:
                raise ValueError("no sheet in it")
            shared = (
                _texts(_parse(archive, "xl/sharedStrings.xml")) if "xl/sharedStrings.xml" in archive.namelist() else []
            )
            rows = list(_rows(_parse(archive, sheets[0]), shared))
    except (zipfile.BadZipFile, ElementTree.ParseError, KeyError, IndexError) as error:
        raise ValueError(f"no Excel file ({error})") from error
    if not rows:
        return []
    head = {column: str(name) for column, name in rows[0].items() if name is not None}
    return [{name: row.get(column) for column, name in head.items()} for row in rows[1:] if row]


def _number(name: str) -> int:
    found = re.search(r"(\d+)\.xml$", name)
    return int(found[1]) if found else 0


def _parse(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if archive.getinfo(name).file_size > LARGEST:
        raise ValueError(f"{name} unpacks to more than {LARGEST:,} bytes")
    data = archive.read(name)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ValueError(f"{name} declares entities")
    return ElementTree.fromstring(data)


def _texts(root: ElementTree.Element) -> list[str]:
    return ["".join(part.text or "" for part in item.iter(f"{SPACE}t")) for item in root.iter(f"{SPACE}si")]


def _rows(root: ElementTree.Element, shared: list[str]) -> Iterator[dict[str, Any]]:
    """Yield column letters to values."""
    for row in root.iter(f"{SPACE}row"):
        cells = {}
        for cell in row.iter(f"{SPACE}c"):
            place = PLACE.match(cell.get("r", ""))
            if place is None:
                raise ValueError("a cell has no place")
            cells[place[1]] = _value(cell, shared)
        yield cells


def _value(cell: ElementTree.Element, shared: list[str]) -> Any:
    kind = cell.get("t", "n")
    if kind == "inlineStr":
        return "".join(part.text or "" for part in cell.iter(f"{SPACE}t"))
    text = cell.findtext(f"{SPACE}v")
    if text is None:
        return None
    if kind == "s":
        return shared[int(text)]
    if kind != "n":
        return text
    number = float(text)
    return int(number) if number.is_integer() else number
