"""The templates of the pages, and what writes them."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup


@cache
def environment() -> jinja2.Environment:
    """Make the environment of all templates: text is escaped, a name that is not there is an error."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("qa_contract.pages", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["part"] = _part
    return found


def _part(part: Any) -> Markup:
    """Write a part; a text is a paragraph."""
    return Markup("<p>{}</p>\n").format(part) if isinstance(part, str) else part.html()
