"""Tables: numbers to the right, sorted by a click or a key, with totals, tints and prose columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from qa_contract.pages.parts import Part
from qa_contract.pages.text import DASH, count, interval, number, percent

HEAT_STEPS = 10

Value = str | int | float | None


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes
    ----------
    label : str
    kind : str
        `text`, `prose` (may wrap), `number` (to the right) or `code`.
    help : str
        What the column means, shown on hover.
    format : callable, optional
        Writes the values that are numbers; whole numbers with their thousands apart, others with three decimals, where
        not given.
    tone : str
        Of the swatch before the label, such as that of a series in a chart.
    """

    label: str
    kind: str = "number"
    help: str = ""
    format: Callable[[float], str] | None = None
    tone: str = ""


@dataclass(frozen=True)
class Cell:
    """A value with more than its text.

    Attributes
    ----------
    value : str, int, float or None
        Sorted by; None is written as a dash and stands last.
    text : str, optional
        Written in place of the value.
    note : str
        A second line in small letters, such as an interval.
    tone : str
        Colours the text.
    heat : float, optional
        Tint from 0 to 1.
    link : str
        Address, already quoted; see `qa_contract.pages.href`.
    """

    value: Value
    text: str | None = None
    note: str = ""
    tone: str = ""
    heat: float | None = None
    link: str = ""

    @property
    def heat_step(self) -> int:
        """Step of the tint, 0 to `HEAT_STEPS`.

        Examples
        --------
        >>> Cell(12, heat=0.44).heat_step, Cell(12).heat_step
        (4, 0)
        """
        if self.heat is None or not math.isfinite(self.heat):
            return 0
        return round(HEAT_STEPS * min(max(self.heat, 0.0), 1.0))


@dataclass(frozen=True)
class Row:
    """A row that is more than its cells.

    Attributes
    ----------
    cells : sequence
    ids : sequence of int
        Objects that light up in plans and frames while the pointer or the focus is on the row.
    """

    cells: Sequence[Cell | Value]
    ids: Sequence[int] = ()


@dataclass(frozen=True)
class Table(Part):
    """A table.

    Attributes
    ----------
    columns : sequence of Column or str
        A bare text is a column of numbers, the first one of text.
    rows : sequence of sequences of Cell or of plain values
    totals : sequence of rows
        At the foot, whatever the order.
    caption : str
    sortable : bool
    id : str
        For links.

    Examples
    --------
    >>> table = Table(["type", "n"], [["size", 12], ["<count>", 7]])
    >>> "&lt;count&gt;" in table.html()
    True
    """

    template: ClassVar[str] = "table.html"

    columns: Sequence[Column | str]
    rows: Sequence[Row | Sequence[Cell | Value]]
    totals: Sequence[Row | Sequence[Cell | Value]] = ()
    caption: str = ""
    sortable: bool = True
    id: str = ""

    @property
    def heads(self) -> list[Column]:
        """The columns in full."""
        return [
            column if isinstance(column, Column) else Column(column, "number" if i else "text")
            for i, column in enumerate(self.columns)
        ]

    def full_rows(self, rows: Sequence[Row | Sequence[Cell | Value]]) -> list[tuple[list[Cell], str]]:
        """Give cells in full, each with its text, and the objects of each row.

        Raises
        ------
        ValueError
            A row has another number of cells than the table has columns.
        """
        heads, found = self.heads, []
        for row in rows:
            cells = row.cells if isinstance(row, Row) else row
            if len(cells) != len(heads):
                raise ValueError(f"A row of table {self.caption!r} has {len(cells)} cells for {len(heads)} columns.")
            full = [_full(cell, head) for cell, head in zip(cells, heads, strict=True)]
            found.append((full, " ".join(map(str, row.ids)) if isinstance(row, Row) else ""))
        return found


def percent_cell(share: float | None, low: float | None = None, high: float | None = None, *, tone: str = "") -> Cell:
    """Make the cell of a share, in percent, with its interval below.

    Examples
    --------
    >>> percent_cell(0.654, 0.61, 0.7)
    Cell(value=0.654, text='65.4', note='61.0 to 70.0', tone='', heat=None, link='')
    """
    return Cell(share, percent(share).rstrip("%"), interval(low, high, 1, scale=100), tone)


def number_cell(value: float | None, low: float | None = None, high: float | None = None, digits: int = 3) -> Cell:
    """Make the cell of a number with its interval below."""
    return Cell(value, number(value, digits), interval(low, high, digits))


def _full(cell: Cell | Value, head: Column) -> Cell:
    """Give a cell its text."""
    cell = cell if isinstance(cell, Cell) else Cell(cell)
    value = cell.value
    if isinstance(value, float) and not math.isfinite(value):
        value = None
    if cell.text is not None:
        text = cell.text
    elif value is None:
        text = DASH
    elif isinstance(value, str):
        text = value
    elif head.format is not None:
        text = head.format(value)
    else:
        text = count(value) if isinstance(value, int) else number(value)
    return Cell(value, text, cell.note, cell.tone, cell.heat, cell.link)
