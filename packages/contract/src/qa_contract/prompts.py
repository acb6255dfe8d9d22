"""Prompt text of a question."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from qa_contract.errors import unknown_name


@dataclass(frozen=True)
class Prompt:
    """The fixed parts around a question.

    Attributes
    ----------
    opening : str
        Line before the question.
    choice_request, number_request : str
        Last line for a question with options, and for one without.
    lists_options : bool
        Whether the options stand between; not where the question's text holds them already.
    form : str
        What an answer without options is, where the steps before it are asked for, too.
    """

    opening: str
    choice_request: str
    number_request: str
    lists_options: bool = True
    form: str = "a single word or phrase"


PROMPTS: dict[str, Prompt] = {
    # The wording of VSI-Bench's own evaluation (arXiv 2412.14171).
    "vsi-bench": Prompt(
        opening="These are frames of a video.",
        choice_request="Answer with the option's letter from the given choices directly.",
        number_request="Please answer the question using a single word or phrase.",
    ),
    # A benchmark's own text, which holds the options.
    "as-published": Prompt(
        opening="",
        choice_request="Answer with the option's letter from the given choices directly.",
        number_request="Please answer the question using a single word or phrase.",
        lists_options=False,
    ),
    # A text that says itself in which form it wants its answer.
    "verbatim": Prompt(opening="", choice_request="", number_request="", lists_options=False),
    "image": Prompt(
        opening="This is an image of a place.",
        choice_request="Answer with the option's letter from the given choices directly.",
        number_request="Please answer the question using a single word or phrase.",
    ),
    # Answers that are read by their form: a map, a box, a list of relations.
    "video-json": Prompt(
        opening="These are frames of a video.",
        choice_request="",
        number_request="Answer with the JSON and nothing else.",
        form="as JSON",
    ),
    "image-json": Prompt(
        opening="This is an image of a place.",
        choice_request="",
        number_request="Answer with the JSON and nothing else.",
        form="as JSON",
    ),
    "images": Prompt(
        opening="These are two images of one place, the first image before the second.",
        choice_request="Answer with the option's letter from the given choices directly.",
        number_request="Please answer the question using a single word or phrase.",
    ),
}


REASONED_REQUEST = (
    "First write the steps that lead to the answer between <think> and </think>, then the answer alone, {}, "
    "between <answer> and </answer>."
)
"""Last line where the steps are wanted, too."""


def reasoned(thought: str, answer: str) -> str:
    """Write an answer as `REASONED_REQUEST` asks for it.

    Examples
    --------
    >>> print(reasoned("The sofa is 1.20 m away, the bed 2.00 m.", "B"))
    <think>
    The sofa is 1.20 m away, the bed 2.00 m.
    </think>
    <answer>B</answer>
    """
    return f"<think>\n{thought}\n</think>\n<answer>{answer}</answer>"


def read_reasoned(text: str) -> tuple[str, str] | None:
    """Read the steps and the answer of a text that is what `reasoned` writes and nothing else, else give None.

    Examples
    --------
    >>> read_reasoned(reasoned("1.20 m and 2.00 m.", "B"))
    ('1.20 m and 2.00 m.', 'B')
    >>> read_reasoned("<think>B?</think> B") is None
    True
    """
    if any(text.count(tag) != 1 for tag in ("<think>", "</think>", "<answer>", "</answer>")):
        return None
    found = re.fullmatch(r"\s*<think>(.*)</think>\s*<answer>(.*)</answer>\s*", text, re.DOTALL)
    thought, answer = (part.strip() for part in found.groups()) if found else ("", "")
    return (thought, answer) if thought and answer else None


def format_prompt(question: str, options: Sequence[str] | None, prompt_id: str, *, steps: bool = False) -> str:
    """Build the text that follows the frames.

    Parameters
    ----------
    question : str
    options : sequence of str, optional
    prompt_id : str
        A name in `PROMPTS`.
    steps : bool
        Ask for the steps before the answer, see `reasoned`.

    Raises
    ------
    UserError
        `prompt_id` is unknown.

    Examples
    --------
    >>> print(format_prompt("Left or right?", ["A. left", "B. right"], "vsi-bench"))
    These are frames of a video.
    Left or right?
    Options:
    A. left
    B. right
    Answer with the option's letter from the given choices directly.
    """
    if prompt_id not in PROMPTS:
        raise unknown_name("prompt_id", prompt_id, PROMPTS)
    prompt = PROMPTS[prompt_id]
    lines = [prompt.opening, question] if prompt.opening else [question]
    if options and prompt.lists_options:
        lines += ["Options:", *options]
    request = prompt.choice_request if options else prompt.number_request
    if steps:
        request = REASONED_REQUEST.format("the option's letter" if options else prompt.form)
    return "\n".join([*lines, request] if request else lines)
