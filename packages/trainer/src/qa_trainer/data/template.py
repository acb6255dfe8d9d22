"""Chat templates: whether training and answering are about the same text."""

from __future__ import annotations

from typing import Any

from qa_trainer.errors import QATrainerError


def check_answers_follow(processor: Any) -> None:
    """Refuse a chat template that opens a thought before an answer.

    The clean pass and the evaluator let a model write on from the generation prompt. Where the template writes more
    than white space between it and an answer, or another prompt before an answer, training would be about another
    text: the tokens of an empty thought would count as the answer's confidence, or the model would be asked what it
    never saw.

    Raises
    ------
    QATrainerError
    """
    answer = "42"
    asked = [{"role": "user", "content": [{"type": "text", "text": "How many?"}]}]
    answered = [*asked, {"role": "assistant", "content": [{"type": "text", "text": answer}]}]
    prompt = processor.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    whole = processor.apply_chat_template(answered, tokenize=False)
    between = whole.removeprefix(prompt).partition(answer)[0]
    if not whole.startswith(prompt) or between.strip():
        ends = prompt[-40:]
        raise QATrainerError(
            f"The chat template ends its generation prompt with {ends!r}, and writes answers as "
            f"{whole[-len(ends) - 20 :]!r}: they would be trained in another place than where a model answers, as "
            "templates that open a thought do. Save the model with a template whose generation prompt closes the "
            "thought, or without one."
        )
