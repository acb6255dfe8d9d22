"""Which of several option letters a text decides for: statements, a closing line, a judgement about one letter."""

from __future__ import annotations

import re

NOUN = (
    r"(?:options?|choices?|letters?|points?|box(?:es)?|images?|views?|objects?|regions?|figures?|pictures?|marke[rd]"
    r"|circles?|labels?|answers?|arrows?|paths?|surfaces?|positions?|locations?|lines?|pieces?)"
)
VERB = (
    r"(?:is|are|was|were|has|have|had|does|do|did|can|cannot|could|will|would|should|must|may|might|looks?|seems?|appears?"
    r"|fits?|lies|sits|stands|shows?|matches|and|or|than|because|since|but|not|in|on|at|to|for|from|with|as|which|that"
    r"|probably|maybe|likely|perhaps)\b"
)
ONE = r"[(\[]?[A-HJ]\b[)\]]?"
DENIED = re.compile(
    rf"\b(?:(?:not|isn['’]t|(?:can['’]t|cannot)\s+be|never|neither|nor|exclude|rule\s+out)\s+(?:the\s+)?(?:{NOUN}\s+)?)"
    rf"(?-i:{ONE}(?:(?:,\s*{ONE})*,?\s+(?:or|nor|and)\s+{ONE})*)"
    rf"|(?:\b{NOUN}\s+)?(?-i:{ONE})(?=,?\s+(?:too|as\s+well|(?:is|are)\s+(?:wrong|incorrect|false))\b)",
    re.IGNORECASE,
)
"""Letters of which a text says that they are not the answer."""
MENTION = re.compile(
    r"[(\[]([A-HJ]|[a-hj])[)\]]"
    r"|['‘]([A-HJ])['’]"
    rf"|\b(?i:{NOUN})\s+([A-HJ])(?![\w'’-])"
    r"|(?<![\w°'’-])(?<!\d\s)([B-HJ])(?![\w'’-])"
    r"|(?<=[a-z,]\s)(A)(?![\w'’-])"
    rf"|(?<![\w'’-])(A)(?=\s+{VERB}|\s*(?:[.,;:!?)\]*\"”/&(=[]|\Z))(?![\w'’-])"
    r"|(?<![\w'’-])([a-hj])(?=\s+is\s+(?:the\s+)?(?:correct|right)\b)"
)
"""A letter that a careful reader takes for an option: in brackets, after a noun such as "point", or a bare capital.

"A" is one where no article can stand: before a verb, a conjunction, a preposition, a mark or the end.
"""

BEST = r"(?:correct|right|best|closest|final|most\s+\w+)"
LETTER = r"[*_`\"'“(\[]*([A-HJ])(?![\w'’]|[)\]]?(?:,\s*(?:and|or)?|\s+and|\s+or)\s*[(\[]?[A-HJ]\b)"
NAMED = rf"(?:the\s+)?(?:(?i:{NOUN})\s+)?(?:(?:labell?ed|marked|named|circled)\s+(?:as\s+)?)?{LETTER}"
ADVERB = r"(?:(?:therefore|thus|likely|most\s+likely|probably|clearly|indeed),?\s+)*"
SENTENCE_END = re.compile(
    r"(?<=[.!?])[*\"”)]*\s+|\n+|[=-]>|→|,\s+(?=(?:so|therefore|thus|hence|while|whereas|but|yet)\b)"
)

STATEMENTS = (
    # "The correct choice for the action is (B)", "I would go with point C", "Option D is the best match".
    re.compile(
        rf"\b{BEST}\s+(?:\w+\s+)?(?:answer|choice|option|match|one)\b[^.\n]{{0,120}}?\b(?:is|be|was)\b:?[^\S\n]+{ADVERB}{NAMED}"
    ),
    re.compile(rf"\b(?:choose|select|pick|(?:go|lean|leaning)\s+(?:with|towards?|for))\b:?\s+{NAMED}"),
    re.compile(rf"\b(?:think|guess|believe|so):?\s+{NAMED}[)\]]?(?=[.,;]|\s*\Z)"),
    re.compile(
        rf"(?:(?i:{NOUN})\s+)?{LETTER}[)\]*_`\"'”]*\s+(?:is|would\s+be|must\s+be|seems\s+to\s+be|appears\s+to\s+be)\s+{ADVERB}"
        rf"the\s+(?:only\s+)?{BEST}\s+(?:answer|choice|option|match)"
    ),
    # A line that is one option, under a line that ends in a colon, and no other option under it.
    re.compile(r":[*_`]*\s*\n[*_`\s]*\(?([A-HJ])[).:\]](?![^\n]*\s*\n[*_`\s]*\(?[A-HJ][).:\]])"),
)
"""What a writer says who tells the answer."""
COPULA = re.compile(rf"\b(?:is|be)\s+{ADVERB}{NAMED}")
CLOSING = re.compile(
    r"(?:so|therefore|thus|hence|in\s+conclusion|in\s+summary|overall|based\s+on|given)\b", re.IGNORECASE
)
UNDECIDED = re.compile(
    r"\b(?:not|cannot|\w+n['’]t|incorrect|wrong|false|neither|none|nor|both|either|all)\b", re.IGNORECASE
)
CONTRAST = re.compile(
    r"\b(?:on\s+the\s+other\s+hand|(?:in|by)\s+(?:contrast|comparison)|conversely|whereas|while|however|only)\b",
    re.IGNORECASE,
)
JUDGED = re.compile(
    rf"(?:(?:in|on|from|based\s+on|looking\s+at)\b[^,]{{0,80}},\s+|(?:so|therefore|thus|hence|but|yet|it\s+(?:appears|seems)\s+that),?\s+)*"
    rf"(?:the\s+)?(?:{NOUN}\s+)?(?-i:{LETTER})[)\]\"”]*(?:,[^,]{{0,60}},)?\s+"
    r"(?:is|are|looks?|appears?(?:\s+to\s+be)?|seems?(?:\s+to\s+be)?|has|fits?|matches)?\s*(?:the|a|an)?\s*"
    r"(?!not\b|also\b|wrong\b|incorrect\b|false\b|no\b)"
    r"(?:more|most|better|best|\w+er|\w+est|correct|right)\b",
    re.IGNORECASE,
)
"""A sentence that compares, of which one letter is the subject: "Point A is closer to the camera."."""


def mentioned(text: str) -> set[str]:
    """Collect the letters that a text mentions as options, without those that it denies.

    Examples
    --------
    >>> sorted(mentioned("not A but (b), and point C is a D-shaped one"))
    ['B', 'C']
    """
    kept = DENIED.sub(" ", text)
    return {letter.upper() for groups in MENTION.findall(kept) for letter in groups if letter}


def decided_letter(text: str) -> str | None:
    r"""Find the letter that a text decides for which mentions several; None where it does not.

    Notes
    -----
    In order: the last statement of an answer; the one letter that "is" something ("the match is point C"); the one
    letter of a closing sentence ("Therefore, ..."); the one letter of which a sentence judges, where no sentence judges
    another. "A is closer than B" is no decision: "which is closer" and "which is farther" take different letters.

    Examples
    --------
    >>> decided_letter("A is far. B is near.\n\nSo the correct choice is:\n(B) point B")
    'B'
    >>> decided_letter("Point A is closer. It lies before point B."), decided_letter("A is closer than B.")
    ('A', None)
    """
    stated = max(
        ((*found.span(1), found[1]) for pattern in STATEMENTS for found in pattern.finditer(text)), default=None
    )
    if stated:
        return stated[2]
    sentences = [sentence for sentence in SENTENCE_END.split(text) if sentence.strip()]
    for chosen in (_named(text), _closing(sentences), _judged(sentences)):
        if len(chosen) == 1:
            return chosen.pop()
    return None


def _named(text: str) -> set[str]:
    return {found[1] for found in COPULA.finditer(text)}


def _closing(sentences: list[str]) -> set[str]:
    last = next((sentence for sentence in reversed(sentences) if CLOSING.match(sentence.strip("*_ "))), "")
    return set() if UNDECIDED.search(last) else mentioned(last)


def _judged(sentences: list[str]) -> set[str]:
    about_one = [text.strip() for text in sentences if len(mentioned(text)) == 1 and not CONTRAST.search(text)]
    return {found[1].upper() for text in about_one if (found := JUDGED.match(text))}
