"""The texts and tables of a page as Markdown, for a terminal and for version control; drawings stay in the page."""

from __future__ import annotations

from collections.abc import Sequence

from qa_contract.pages.page import Page
from qa_contract.pages.parts import Columns, Details, Facts, Heading, Items, Note, Part, Pre, Warn
from qa_contract.pages.table import Table


def to_markdown(page: Page) -> str:
    r"""Write a page as Markdown.

    Examples
    --------
    >>> from qa_contract.pages import Section
    >>> print(to_markdown(Page("Scores", [Section("All", [Table(["type", "n"], [["a|b", 3]])])])))
    # Scores
    <BLANKLINE>
    ## All
    <BLANKLINE>
    | type | n |
    |---|---:|
    | a\|b | 3 |
    <BLANKLINE>
    """
    blocks = [f"# {plain(page.title)}"]
    blocks += [plain(page.subtitle)] if page.subtitle else []
    blocks += [f"> {plain(text)}" for text in page.warnings]
    blocks += _facts(page.facts)
    for section in page.sections:
        blocks.append(f"## {plain(section.title)}")
        blocks += _blocks(section.parts)
    return "\n\n".join(blocks) + "\n"


def plain(text: str) -> str:
    r"""Keep text on one line, and from becoming markup.

    Examples
    --------
    >>> plain("a <b>\n*c*")
    'a \\<b\\> \\*c\\*'
    """
    flat = " ".join(text.split())
    for mark in "\\`*_[]<>|#":
        flat = flat.replace(mark, "\\" + mark)
    return flat


def table_markdown(table: Table) -> str:
    """Write a table as Markdown; the note of a cell stands in brackets."""
    heads = table.heads
    lines = ["| " + " | ".join(plain(head.label) for head in heads) + " |"]
    lines.append("|" + "|".join("---:" if head.kind == "number" else "---" for head in heads) + "|")
    for cells, _ in table.full_rows([*table.rows, *table.totals]):
        texts = [f"{cell.text} ({cell.note})" if cell.note else cell.text or "" for cell in cells]
        lines.append("| " + " | ".join(map(plain, texts)) + " |")
    return "\n".join(lines)


def _facts(items: Sequence[tuple[str, str]]) -> list[str]:
    return ["\n".join(f"- {plain(name)}: {plain(value)}" for name, value in items)] if items else []


def _blocks(parts: Sequence[Part | str]) -> list[str]:
    found: list[str] = []
    for part in parts:
        match part:
            case str() | Note() | Warn():
                found.append(plain(part if isinstance(part, str) else part.text))
            case Heading():
                found.append(f"### {plain(part.text)}")
            case Table():
                found.append(table_markdown(part))
            case Facts():
                found += _facts(part.items)
            case Items():
                texts = [item if isinstance(item, str) else item[0] for item in part.items]
                found.append("\n".join(f"- {plain(text)}" for text in texts))
            case Pre():
                found.append("```\n" + part.text.replace("```", "'''") + "\n```")
            case Details():
                found += [f"### {plain(part.summary)}", *_blocks(part.parts)]
            case Columns():
                found += _blocks(part.parts)
    return found
