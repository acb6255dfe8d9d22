"""What a proposed question has to pass, in order; each filter has a reason code."""

from __future__ import annotations

import ast
import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from qa_engine.checks.noise import CENTER_NOISE_M, SIZE_NOISE, TURN_NOISE_DEG
from qa_engine.facts.scene import Facts
from qa_engine.generation.llm.reply import Proposal
from qa_engine.programs import OPERATORS, ProgramCode, ProgramError, parse_program
from qa_engine.programs.operators import SCENE_OPERATORS
from qa_engine.programs.pool import Outcome
from qa_engine.scenes.scene import Scene
from qa_engine.scenes.worlds import possible_worlds
from qa_engine.tasks import answer_texts
from qa_engine.views.evidence import Evidence


class LLMReason(StrEnum):
    """Why a proposal is refused, in the order of the filters: the closed list of stage `propose`."""

    BENCHMARK_SCENE = "benchmark_scene"
    SERVER_ERROR = "server_error"
    OVERSIZED_REPLY = "oversized_reply"
    BAD_REPLY = "bad_reply"
    BAD_PROGRAM = "bad_program"
    TYPE_OR_UNIT = "type_or_unit"
    EXECUTION = "execution"
    DEGENERATE = "degenerate"
    UNSTABLE = "unstable"
    NOT_UNIQUE = "not_unique"
    NOT_VISIBLE = "not_visible"
    ASKED_BEFORE = "asked_before"
    DUPLICATE = "duplicate"
    SHORTCUT = "shortcut"
    RECHECK = "recheck"


REPAIRABLE = frozenset({LLMReason.BAD_REPLY, LLMReason.BAD_PROGRAM, LLMReason.TYPE_OR_UNIT, LLMReason.EXECUTION})
"""Reasons that a model is told once, to correct what it wrote."""

NOISY_SCENES = 8
"""Scenes with noisy boxes on which every program runs again."""

MAX_SPREAD = 0.5
"""Largest range of a number under noise, as a part of its value."""

_BAD_PROGRAM = {
    ProgramCode.SYNTAX,
    ProgramCode.NOT_IN_LANGUAGE,
    ProgramCode.UNKNOWN_OPERATOR,
    ProgramCode.WRONG_ARGUMENTS,
}
_TYPE_OR_UNIT = {ProgramCode.WRONG_TYPE, ProgramCode.WRONG_UNIT}

_UNIT_WORDS = {
    "m": r"met(er|re)|\bm\b",
    "cm": r"centimet|\bcm\b",
    "m2": r"square|m²|m2",
    "m3": r"cubic|m³|m3",
    "deg": r"degree|°",
    "s": r"second",
}
"""What a question has to say so that its unit is known."""

_ID = re.compile(r"\b(instance|object|id|item)s?\s*(number\s*)?#?\d", re.I)

_SYMMETRIC = ("distance_m", "center_distance_m")


@dataclass(frozen=True)
class Refusal:
    """Why a proposal is refused, and what to tell its writer."""

    reason: LLMReason
    detail: str


@dataclass(frozen=True)
class Operands:
    """What a program is about: rows of the instances that it names, and codes of the categories."""

    rows: tuple[int, ...]
    categories: tuple[int, ...]


def check_outcome(proposal: Proposal, outcome: Outcome) -> Refusal | None:
    """Check that a program ran and gave what the question asks for."""
    if outcome.status != "ok":
        code = ProgramCode(outcome.status)
        reason = LLMReason.BAD_PROGRAM if code in _BAD_PROGRAM else LLMReason.EXECUTION
        reason = LLMReason.TYPE_OR_UNIT if code in _TYPE_OR_UNIT else reason
        return Refusal(reason, f"{code}: {outcome.detail}")
    wrong = _wrong_type(proposal, outcome)
    return Refusal(LLMReason.TYPE_OR_UNIT, wrong) if wrong else None


def _wrong_type(proposal: Proposal, outcome: Outcome) -> str:
    if proposal.answer_type == "choice":
        if outcome.type not in ("text", "category"):
            return f"a choice needs a text that is one of the options, the program gives a {outcome.type}."
        if outcome.value not in proposal.options:
            return f"the program gives {outcome.value!r}, which is none of the options {list(proposal.options)}."
        return ""
    if outcome.type not in ("number", "angle"):
        return f"answer_type {proposal.answer_type!r} needs a number, the program gives a {outcome.type}."
    if proposal.answer_type == "integer" and (outcome.unit or outcome.value != int(outcome.value)):
        return f"answer_type 'integer' needs a whole number without unit, the program gives {outcome.value}."
    if outcome.unit and not re.search(_UNIT_WORDS[outcome.unit], proposal.question, re.I):
        return f"the answer is in {outcome.unit}; the question must say so."
    return ""


def check_degenerate(proposal: Proposal, outcome: Outcome) -> Refusal | None:
    """Refuse answers that do not depend on the scene, and numbers that cannot be scored."""
    used = {name for name, _ in _calls(proposal.program)}
    if not used & set(SCENE_OPERATORS):
        return Refusal(LLMReason.DEGENERATE, "the program does not look at the scene.")
    if proposal.answer_type != "choice" and float(answer_texts([outcome.value], proposal.answer_type)[0]) <= 0:
        return Refusal(LLMReason.DEGENERATE, f"the answer is {outcome.value:g}.")
    return None


def check_stable(proposal: Proposal, outcome: Outcome, noisy: Sequence[Outcome]) -> Refusal | None:
    """Refuse answers that change when boxes are slightly off."""
    if any(other.status != "ok" for other in noisy):
        return Refusal(LLMReason.UNSTABLE, "with noisy boxes the program fails.")
    values = [other.value for other in noisy]
    if proposal.answer_type != "number":
        changed = sum(value != outcome.value for value in values)
        return Refusal(LLMReason.UNSTABLE, f"{changed} of {len(values)} noisy scenes change it.") if changed else None
    spread = max([outcome.value, *values]) - min([outcome.value, *values])
    if spread > MAX_SPREAD * abs(outcome.value):
        return Refusal(LLMReason.UNSTABLE, f"{outcome.value:g} moves by {spread:g} with noisy boxes.")
    return None


def check_references(proposal: Proposal, facts: Facts, operands: Operands) -> Refusal | None:
    """Refuse questions in which "the X" is not one object, or whose program is about objects that it does not name."""
    question = proposal.question.lower()
    if _ID.search(question):
        return Refusal(LLMReason.NOT_UNIQUE, "the question speaks of ids, which nobody sees.")
    named = {
        code: re.search(rf"\b{re.escape(name.lower())}(e?s)?\b", question) for code, name in enumerate(facts.categories)
    }
    texts = " ".join(proposal.options).lower()
    for row in operands.rows:
        code = int(facts.code[row])
        name = facts.categories[code]
        if named[code] is None and name.lower() not in texts:
            return Refusal(LLMReason.NOT_UNIQUE, f"the program is about a {name}, the question is not.")
        if facts.counts[code] != 1 or facts.boxes[code] != 1:
            return Refusal(LLMReason.NOT_UNIQUE, f"the program picks one of {facts.counts[code]} {name}(s).")
    for code, name in enumerate(facts.categories):
        if facts.counts[code] > 1 and re.search(
            rf"\bthe {re.escape(name.lower())}\b(?! (that|which|closest|nearest))", question
        ):
            return Refusal(LLMReason.NOT_UNIQUE, f'"the {name}" is one of {facts.counts[code]}.')
    return None


def check_visible(facts: Facts, operands: Operands, seen: Evidence | None) -> Refusal | None:
    """Refuse questions about objects that the chosen frames do not show."""
    if seen is None:
        return None
    hidden = [row for row in operand_rows(facts, operands) if seen.best[row] < 0]
    if hidden:
        names = sorted({facts.categories[facts.code[row]] for row in hidden})
        return Refusal(LLMReason.NOT_VISIBLE, f"the frames do not show every {', '.join(names)}.")
    return None


def operand_rows(facts: Facts, operands: Operands) -> list[int]:
    """Object rows that a program needs: the instances that it names, and all of the categories that it names."""
    members = [row for code in operands.categories for row in facts.members[code].tolist()]
    return sorted({*operands.rows, *members})


def check_shortcut(proposal: Proposal, outcome: Outcome) -> Refusal | None:
    """Refuse questions that give their answer away."""
    question = proposal.question.lower()
    if proposal.answer_type == "choice":
        mentioned = [option for option in proposal.options if re.search(rf"\b{re.escape(option.lower())}\b", question)]
        if mentioned == [outcome.value] and len(proposal.options) > 1:
            return Refusal(LLMReason.SHORTCUT, "of the options, the question names the right one only.")
        return None
    text = answer_texts([outcome.value], proposal.answer_type)[0]
    if re.search(rf"(?<![\d.]){re.escape(text)}(?![\d.]*\d)", question):
        return Refusal(LLMReason.SHORTCUT, f"the question states the answer, {text}.")
    return None


def operands_of(program: str, facts: Facts) -> Operands:
    """Find the instances and categories that a program names."""
    rows, categories = set(), set()
    for name, arguments in _calls(program):
        kinds = [kind for _, kind in OPERATORS[name].parameters]
        for argument, kind in zip(arguments, kinds, strict=False):
            for item in argument.elts if isinstance(argument, ast.List) else [argument]:
                value = getattr(item, "value", None)
                if kind.startswith("instance") and type(value) is int and value in facts.row_of_instance:
                    rows.add(facts.row_of_instance[value])
                if kind.startswith("categor") and isinstance(value, str) and value in facts.code_of_category:
                    categories.add(facts.code_of_category[value])
    return Operands(tuple(sorted(rows)), tuple(sorted(categories)))


def _calls(program: str) -> list[tuple[str, list[ast.expr]]]:
    """List the operators that a program calls, with their arguments."""
    nodes = [node for node in ast.walk(parse_program(program)) if isinstance(node, ast.Call)]
    return [(node.func.id, node.args) for node in nodes if isinstance(node.func, ast.Name)]


def program_key(program: str) -> str:
    """Write a program so that two of the same meaning and different spelling are equal, as far as that is simple.

    Examples
    --------
    >>> program_key("distance_m(7,  3)") == program_key("distance_m(3, 7)")
    True
    >>> program_key('nearest_category(1, ["b", "a"])')
    "nearest_category(1, ['a', 'b'])"
    """
    return ast.unparse(_Canonical().visit(ast.parse(ast.unparse(parse_program(program)), mode="eval")))


def stored_key(program: str) -> str:
    """Key of a stored program; one that is not, or no longer, in the language is itself."""
    try:
        return program_key(program)
    except ProgramError:
        return program


class _Canonical(ast.NodeTransformer):
    """Sorts what has no order: arguments of symmetric operators, categories to choose from, sums and products."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in _SYMMETRIC:
            node.args.sort(key=ast.unparse)
        elif name == "nearest_category" and len(node.args) == 2 and isinstance(node.args[1], ast.List):
            node.args[1].elts.sort(key=ast.unparse)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, (ast.Add, ast.Mult)) and ast.unparse(node.right) < ast.unparse(node.left):
            node.left, node.right = node.right, node.left
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        turned = {ast.Gt: ast.Lt, ast.GtE: ast.LtE}.get(type(node.ops[0]))
        if turned is not None:
            node.left, node.comparators, node.ops = node.comparators[0], [node.left], [turned()]
        return node


def noisy_scenes(scene: Scene, rng: np.random.Generator) -> list[Scene]:
    """Move, resize and turn every box by independent uniform errors, and the whole scene to where it may truly be."""
    n, scenes = len(scene), []
    for _ in range(NOISY_SCENES):
        turn = np.radians(rng.uniform(-TURN_NOISE_DEG, TURN_NOISE_DEG, n))
        zero, one = np.zeros(n), np.ones(n)
        cos, sin = np.cos(turn), np.sin(turn)
        about_z = np.stack([cos, sin, zero, -sin, cos, zero, zero, zero, one], axis=1).reshape(n, 3, 3)
        scenes.append(
            dataclasses.replace(
                scene,
                center=scene.center + rng.uniform(-CENTER_NOISE_M, CENTER_NOISE_M, (n, 3)),
                size=scene.size * (1 + rng.uniform(-SIZE_NOISE, SIZE_NOISE, (n, 3))),
                rotation=scene.rotation @ about_z,
            )
        )
    return scenes + possible_worlds(scene)
