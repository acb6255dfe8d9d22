"""Read what a model replied: JSON with questions and programs, or a reason why it is none."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from qa_engine.programs.language import printable

LONGEST_QUESTION = 500
LONGEST_OPTION = 80
MOST_OPTIONS = 6
MOST_PROPOSALS = 50

ANSWER_TYPES = ("choice", "integer", "number")

_FENCE = re.compile(r"^```\w*\s*\n(.*?)\n?```\s*$", re.S)


class ReplyError(Exception):
    """A reply, or one object of it, does not have the form asked for; the message helps to repair it."""


@dataclass(frozen=True)
class Proposal:
    """One question as a model wrote it.

    Attributes
    ----------
    question, question_type, answer_type, program : str
    options : tuple of str
        Empty where the answer is a number.
    operands : tuple of int
        Instance ids.
    """

    question: str
    question_type: str
    answer_type: str
    program: str
    options: tuple[str, ...] = ()
    operands: tuple[int, ...] = ()


def read_objects(text: str) -> list[Any]:
    r"""Find the JSON array in a reply; thoughts before it and a fence around it are dropped.

    Raises
    ------
    ReplyError

    Examples
    --------
    >>> read_objects('<think>hm [1]</think> ```json\n[{"a": 1}]\n```')
    [{'a': 1}]
    """
    text = text.rpartition("</think>")[2].strip()
    if fenced := _FENCE.search(text):
        text = fenced.group(1)
    start = min((place for place in (text.find("["), text.find("{")) if place >= 0), default=-1)
    if start < 0:
        raise ReplyError("no JSON array.")
    try:
        value, _ = json.JSONDecoder().raw_decode(text[start:])
    except (ValueError, RecursionError) as error:
        raise ReplyError(f"not JSON ({printable(str(error))}).") from None
    objects = value if isinstance(value, list) else [value]
    if len(objects) > MOST_PROPOSALS:
        raise ReplyError(f"{len(objects)} objects; at most {MOST_PROPOSALS} are read.")
    return objects


def read_proposal(value: Any) -> Proposal:
    """Check the fields of one object.

    Raises
    ------
    ReplyError
    """
    if not isinstance(value, dict):
        raise ReplyError("an item of the array is no object.")
    texts = {name: value.get(name) for name in ("question", "program")}
    for name, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise ReplyError(f"{name!r} must be a text.")
    question = " ".join(value["question"].split())
    if len(question) > LONGEST_QUESTION:
        raise ReplyError(f"'question' is longer than {LONGEST_QUESTION} characters.")
    if not question.isprintable():
        raise ReplyError("'question' holds characters that cannot be printed.")
    options = _options(value.get("options"))
    answer_type = value.get("answer_type") or ("choice" if options else "number")
    if answer_type not in ANSWER_TYPES:
        raise ReplyError(f"'answer_type' must be one of {', '.join(ANSWER_TYPES)}.")
    if (answer_type == "choice") != bool(options):
        raise ReplyError("'options' go with the answer type 'choice', and with no other.")
    operands = value.get("operands")
    ids = [x for x in operands if type(x) is int] if isinstance(operands, list) else []
    kind = value.get("question_type")
    return Proposal(
        question, kind if isinstance(kind, str) else "open", answer_type, value["program"], options, tuple(ids)
    )


def _options(value: Any) -> tuple[str, ...]:
    if value is None or value == []:
        return ()
    if not isinstance(value, list) or not 2 <= len(value) <= MOST_OPTIONS:
        raise ReplyError(f"'options' must be null or a list of 2 to {MOST_OPTIONS} texts.")
    options = []
    for option in value:
        text = option.strip() if isinstance(option, str) else ""
        if not text or len(text) > LONGEST_OPTION or not text.isprintable():
            raise ReplyError(f"an option must be a text of 1 to {LONGEST_OPTION} characters.")
        options.append(re.sub(r"^[A-H][.)] ", "", text))
    if len(set(options)) < len(options):
        raise ReplyError("two options are the same.")
    return tuple(options)
