"""The templates of the pages, and what writes them."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup, escape


@cache
def environment() -> jinja2.Environment:
    """Make the environment of all templates: text is escaped, a name that is not there is an error."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("qa_contract.pages", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["part"] = _part
    found.filters["breakable"] = _breakable
    return found


def _part(part: Any) -> Markup:
    """Write a part; a text is a paragraph."""
    return Markup("<p>{}</p>\n").format(part) if isinstance(part, str) else part.html()


def _breakable(text: str) -> Markup:
    """Let a name such as `object_rel_distance` wrap after its underscores."""
    return Markup(str(escape(text)).replace("_", "_<wbr>"))
