"""What a careful reader takes for the answer; None where two readers could differ."""

import pytest
from qa_eval.benchmarks import find_benchmark
from qa_eval.parsers.lenient import LENIENT, lenient_letter

TEXTS = {
    **dict.fromkeys(
        ("A", "a", "A.", "(A)", "(a)", "a.", " A", "A: sofa", "[A]", "Option A", "A - sofa", "Ａ", "（A）"), "A"
    ),
    **dict.fromkeys(
        ("A is closer.", "Therefore A.", "So, point A", "I think it is A", "Answer with A", "Image A"), "A"
    ),
    **dict.fromkeys(("<s> A) left", "The correct answer is (A) left.", "A, because B is behind it.", "选项 A"), "A"),
    **dict.fromkeys(
        ("B\n\nBecause A is behind.", "\u00a0B\u00a0", "**B**", "option b", "[INST] B [/INST]", "答案：B"), "B"
    ),
    **dict.fromkeys(("It is not A but B.", "The answer is not A. The answer is B.", "A chair is by it, so B"), "B"),
    **dict.fromkeys(
        ("Final answer: B. sofa", "view B is from behind", "<think>A</think>B", "B\u200b", "B<|im_end|>"), "B"
    ),
    **dict.fromkeys(("C: All the above answers are wrong.", "C: the answer that fits", "\\boxed{\\text{C}}"), "C"),
    **dict.fromkeys(("Answer: D", "ANSWER D", "I'd go with D", "My answer would be D", "Answers vary. Answer: D"), "D"),
    **dict.fromkeys(("I", "I.", "I) ninth"), "I"),
    # Two letters, and a short sentence about one of them.
    **dict.fromkeys(
        ("A is closer. Point A is on the table, while point B is on the wall.", "B is far, so A is closer."), "A"
    ),
    **dict.fromkeys(("Point A is near the lamp. Point B is by the wall. Therefore, point A is closer.",), "A"),
    **dict.fromkeys(("A is closer. B is farther.", "A is wrong. B, too", "A is not closer. B or C"), None),
    # Two letters: "which is closer" and "which is farther" take different ones.
    **dict.fromkeys(
        ("Point A is closer to the camera than point B.", "A is nearer than B", "A is darker than (B)."), None
    ),
    **dict.fromkeys(
        ("A or B", "A, B and C are wrong", "Both A and B", "neither A nor B", "Points A and B are equal"), None
    ),
    # No letter at all.
    **dict.fromkeys(
        ("I am not sure", "The answer is I am not sure.", "(i) first", "i.e. the left", "e.g. a sofa"), None
    ),
    **dict.fromkeys(("A sofa is near the door.", "a sofa", "A left", "not A", "a C-shaped sofa", "3-D", "70 F"), None),
    **dict.fromkeys(("It's B's turn", "The left one", "None of the above", "The answer:", ""), None),
}


@pytest.mark.parametrize(("text", "letter"), TEXTS.items())
def test_letter(text, letter):
    assert lenient_letter(text) == letter


@pytest.mark.parametrize(
    "text",
    [
        "Point A is closer to the camera than point B.",
        "A is closer. Point A is on the table, while point B is on the wall.",
        "Box A fits the chair better than Box B does.",
        "A is nearer than B",
        "The lamp marked A is lower than the one marked B, so A is closer.",
        "A is darker than (B).",
    ],
)
def test_a_text_that_says_a_is_never_read_as_b(text):
    assert lenient_letter(text) in ("A", None)


def test_yes_and_no_are_no_letters():
    vsr, stare = find_benchmark("vsr"), find_benchmark("stare")
    assert vsr.reader(LENIENT, "projective").choice("(A) Yes, it is.") == "yes"
    assert stare.reader(LENIENT, "folding_nets").choice("So it is false.") == "no"
    assert stare.reader(LENIENT, "2D_va").choice("No, it is B.") == "B"
