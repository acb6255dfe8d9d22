"""The kit of the pages: parts of a page as data, charts, plans and overlays, one look for all reports.

A package describes a page with `Page`, `Section` and parts, and writes `Page.html()`: one file that opens offline.
"""

from qa_contract.pages.axes import Axis, percent_axis
from qa_contract.pages.bar_charts import BarSeries, bar_chart, share_bars
from qa_contract.pages.charts import Chart, Reliability, histogram, line_chart, reliability_diagram, scatter
from qa_contract.pages.drawing import Drawing, stack
from qa_contract.pages.floor_plan import PlanCamera, PlanObject, Room, with_operands
from qa_contract.pages.images import data_url
from qa_contract.pages.links import anchor, href
from qa_contract.pages.markdown import to_markdown
from qa_contract.pages.overlay import Outline, overlay, rectangle
from qa_contract.pages.page import Page, Section
from qa_contract.pages.palette import LABEL_TONES, RUN_TONES, series_tone, tones_of
from qa_contract.pages.parts import (
    Card,
    Cards,
    Columns,
    Details,
    Facts,
    Figure,
    Fragment,
    Heading,
    Image,
    Items,
    Key,
    Link,
    Links,
    Note,
    Part,
    Pre,
    Strip,
    Warn,
)
from qa_contract.pages.plan_marks import Arrow, Distance, PointMark, Route, Sector
from qa_contract.pages.plot import Level, Series
from qa_contract.pages.table import Cell, Column, Row, Table, number_cell, percent_cell

__all__ = [
    "LABEL_TONES",
    "RUN_TONES",
    "Arrow",
    "Axis",
    "BarSeries",
    "Card",
    "Cards",
    "Cell",
    "Chart",
    "Column",
    "Columns",
    "Details",
    "Distance",
    "Drawing",
    "Facts",
    "Figure",
    "Fragment",
    "Heading",
    "Image",
    "Items",
    "Key",
    "Level",
    "Link",
    "Links",
    "Note",
    "Outline",
    "Page",
    "Part",
    "PlanCamera",
    "PlanObject",
    "PointMark",
    "Pre",
    "Reliability",
    "Room",
    "Route",
    "Row",
    "Section",
    "Sector",
    "Series",
    "Strip",
    "Table",
    "Warn",
    "anchor",
    "bar_chart",
    "data_url",
    "histogram",
    "href",
    "line_chart",
    "number_cell",
    "overlay",
    "percent_axis",
    "percent_cell",
    "rectangle",
    "reliability_diagram",
    "scatter",
    "series_tone",
    "share_bars",
    "stack",
    "to_markdown",
    "tones_of",
    "with_operands",
]
