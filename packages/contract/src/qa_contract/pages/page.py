"""A page: one HTML file that opens offline, without anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from markupsafe import Markup

from qa_contract.pages.links import anchor, json_text
from qa_contract.pages.palette import palette_css
from qa_contract.pages.parts import Link, Parts
from qa_contract.pages.templates import environment

OWN_IDS = ("content", "tip", "large")
"""Elements of the template."""


@dataclass(frozen=True)
class Section:
    """A part of a page under a heading.

    Attributes
    ----------
    title : str
    parts : sequence of parts
        A plain text is a paragraph.
    id : str
        For links; made of the title where empty.
    """

    title: str
    parts: Parts
    id: str = ""


@dataclass(frozen=True)
class Page:
    """A page as data.

    Attributes
    ----------
    title, subtitle : str
    sections : sequence of Section
    facts : sequence of (str, str)
        Names and values in the head: model, benchmark, seed.
    warnings : sequence of str
        Stand above all else.
    trail : sequence of Link
        Pages above this one.
    pages : sequence of Link
        Other pages, such as the report of the evaluator.
    data : mapping of str to JSON
        Islands of data for scripts, by the id of their element.
    styles, scripts : sequence of str
        CSS and JavaScript of this page alone, after the kit's.
    connects : bool
        Scripts may talk to the server that the page came from, as a page needs whose choices are stored.
    footer : str
    language : str

    Examples
    --------
    >>> page = Page("A <b> report", [Section("Scores", ["Nothing yet."])])
    >>> "A &lt;b&gt; report" in page.html() and page.html() == page.html()
    True
    """

    title: str
    sections: Sequence[Section]
    subtitle: str = ""
    facts: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    trail: Sequence[Link] = ()
    pages: Sequence[Link] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    styles: Sequence[str] = ()
    scripts: Sequence[str] = ()
    connects: bool = False
    footer: str = ""
    language: str = "en"

    def html(self) -> str:
        """Write the page; the same page is the same text.

        Notes
        -----
        The policy in its head allows the styles and the scripts that it holds, by their hashes, images beside it or
        inside it, and nothing else: what slips into the page as text cannot run or load anything. Letters that UTF-8
        does not have, as in broken file names, become `?`.
        """
        style = "\n".join([_style(), *self.styles])
        first, script = _static("first.js"), "\n".join([_static("page.js"), *self.scripts])
        # Browsers hash what they have read, in which lines end with one character.
        style, script = (text.replace("\r\n", "\n") for text in (style, script))
        for text in (style, first, script):
            if "</" in text:
                raise ValueError("A style or script of a page may not hold '</': it could end its element.")
        text = (
            environment()
            .get_template("page.html")
            .render(
                page=self,
                sections=_with_ids(self.sections, {*OWN_IDS, *self.data}),
                policy=_policy([style], [first, script], connects=self.connects),
                style=Markup(style),
                first_script=Markup(first),
                script=Markup(script),
                data=[(name, json_text(value)) for name, value in self.data.items()],
            )
        )
        return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def _with_ids(sections: Sequence[Section], taken: Set[str]) -> list[tuple[str, Section]]:
    """Give each section an id that no other element of the page has."""
    found: dict[str, Section] = {}
    for section in sections:
        name = wish = section.id or anchor(section.title)
        number = 2
        while name in found or name in taken:
            name, number = f"{wish}-{number}", number + 1
        found[name] = section
    return list(found.items())


def _policy(styles: Sequence[str], scripts: Sequence[str], *, connects: bool) -> str:
    """Write the content security policy of a page with these styles and scripts."""
    rules = {
        "default-src": ["'none'"],
        "img-src": ["'self'", "file:", "data:"],
        "style-src": [_hash(style) for style in styles],
        "script-src": [_hash(script) for script in scripts],
        "connect-src": ["'self'"] if connects else ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(values)}" for name, values in rules.items())


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


@cache
def _style() -> str:
    return palette_css() + _static("style.css")


@cache
def _static(name: str) -> str:
    return (resources.files("qa_contract.pages") / "static" / name).read_text(encoding="utf-8").strip()
