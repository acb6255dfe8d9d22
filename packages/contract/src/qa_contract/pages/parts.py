"""Parts of a page. Each is data and the name of the template that writes it; all text is escaped by the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from markupsafe import Markup

from qa_contract.pages.templates import environment


@dataclass(frozen=True)
class Part:
    """What stands in a section; a plain `str` among parts is a paragraph."""

    template: ClassVar[str]

    def html(self) -> Markup:
        """Write the part."""
        return Markup(environment().get_template(self.template).render(part=self))


Parts = Sequence[Part | str]


@dataclass(frozen=True)
class Fragment(Part):
    """A part of a page's own: a Jinja template and its values, escaped like all others.

    Examples
    --------
    >>> print(Fragment("<b>{{ name }}</b>", {"name": "<i>"}).html())
    <b>&lt;i&gt;</b>
    """

    template: ClassVar[str] = ""

    source: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def html(self) -> Markup:
        """Write the part."""
        return Markup(environment().from_string(self.source).render(self.values))


@dataclass(frozen=True)
class Note(Part):
    """A paragraph in soft letters: how the figures were made."""

    template: ClassVar[str] = "note.html"

    text: str


@dataclass(frozen=True)
class Heading(Part):
    """A heading inside a section."""

    template: ClassVar[str] = "heading.html"

    text: str


@dataclass(frozen=True)
class Warn(Part):
    """A warning in a box."""

    template: ClassVar[str] = "warn.html"

    text: str


@dataclass(frozen=True)
class Pre(Part):
    """Text as it is: a program, a command, a configuration; wraps, and can be copied."""

    template: ClassVar[str] = "pre.html"

    text: str


@dataclass(frozen=True)
class Facts(Part):
    """Names and values."""

    template: ClassVar[str] = "facts.html"

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Items(Part):
    """A list; a pair is a text and its tone."""

    template: ClassVar[str] = "items.html"

    items: Sequence[str | tuple[str, str]]
    numbered: bool = False


@dataclass(frozen=True)
class Key(Part):
    """What the colours mean: texts with their tones."""

    template: ClassVar[str] = "key.html"

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Details(Part):
    """Parts that open on demand."""

    template: ClassVar[str] = "details.html"

    summary: str
    parts: Parts
    open: bool = False


@dataclass(frozen=True)
class Columns(Part):
    """Parts beside each other where there is room, below each other on a phone."""

    template: ClassVar[str] = "columns.html"

    parts: Parts
    width: str = "medium"
    """Least width of a column: `narrow`, `medium` or `wide`."""


@dataclass(frozen=True)
class Figure(Part):
    """A drawing with its caption.

    Attributes
    ----------
    drawing : Markup
        An `svg` or `img` element: `Drawing.svg()`, `Chart.drawing.svg()`.
    caption : str
    note : str
        A second line, in soft letters.
    numbers : Part, optional
        The same as a table, opened on demand.
    id : str
    wide : bool
        May grow as wide as the section.
    """

    template: ClassVar[str] = "figure.html"

    drawing: Markup
    caption: str = ""
    note: str = ""
    numbers: Part | None = None
    id: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Image:
    """One image of a strip.

    Attributes
    ----------
    src : str, optional
        Address, already quoted (`qa_contract.pages.href`), or a data URL; None where there is no image.
    alt : str
    caption : str
    width, height : int, optional
        Pixels; keeps the page from jumping while images load.
    overlay : Markup, optional
        An `svg` element over the image: `qa_contract.pages.overlay`.
    """

    src: str | None
    alt: str
    caption: str = ""
    width: int | None = None
    height: int | None = None
    overlay: Markup | None = None


@dataclass(frozen=True)
class Strip(Part):
    """Images beside each other, such as the frames of a question; each opens large.

    Attributes
    ----------
    images : sequence of Image
    size : str
        Least width of an image: `small` (in a card), `medium` or `large`.
    """

    template: ClassVar[str] = "strip.html"

    images: Sequence[Image]
    size: str = "medium"


@dataclass(frozen=True)
class Link:
    """A link to another page; `href` is already quoted."""

    text: str
    href: str
    note: str = ""
    drawing: Markup | None = None


@dataclass(frozen=True)
class Links(Part):
    """Links as tiles, each with its note and a small drawing."""

    template: ClassVar[str] = "links.html"

    links: Sequence[Link]


@dataclass(frozen=True)
class Card:
    """One item of many, such as an answered question.

    Attributes
    ----------
    title : str
    parts : sequence of parts
    mark : str
        A word for how it went, such as `right`, `wrong` or `easy`, in a frame of its `tone`.
    tone : str
    note : str
        Beside the title in soft letters.
    tags : mapping of str to str
        Facet to value; the cards can be filtered by them.
    ids : sequence of int
        Objects that light up while the pointer or the focus is on the card: in its own drawings, or on the whole page
        where it has none.
    """

    title: str
    parts: Parts
    mark: str = ""
    tone: str = "soft"
    note: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    ids: Sequence[int] = ()


@dataclass(frozen=True)
class Cards(Part):
    """Cards that can be filtered, searched and walked with the keys j and k.

    Attributes
    ----------
    cards : sequence of Card
    filters : sequence of str
        Facets of the cards' tags that can be chosen from.
    search : bool
        Offer a search in the cards' text.
    wide : bool
        One card below the other.
    """

    template: ClassVar[str] = "cards.html"

    cards: Sequence[Card]
    filters: Sequence[str] = ()
    search: bool = False
    wide: bool = False

    @property
    def choices(self) -> dict[str, list[tuple[str, int]]]:
        """Values of each filter with their numbers, by name."""
        found: dict[str, list[tuple[str, int]]] = {}
        for facet in self.filters:
            counts: dict[str, int] = {}
            for card in self.cards:
                value = card.tags.get(facet, "")
                counts[value] = counts.get(value, 0) + 1
            found[facet] = sorted(counts.items())
        return found
