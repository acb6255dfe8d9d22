"""The exported grammar: what the tasks write is in it, and what is in it the language reads, with types and units."""

import ast
import re

import numpy as np
import pytest
from qa_engine.facts.scene import Facts
from qa_engine.generation.llm.guide import reply_grammar, words_of
from qa_engine.generation.llm.reply import read_objects, read_proposal
from qa_engine.programs import ProgramCode, ProgramError, parse_program, run_program
from qa_engine.programs.grammar import Characters, Many, OneOf, Ref, Words, program_grammar
from qa_engine.programs.interpreter import OPERATORS
from qa_engine.programs.language import NODES
from qa_engine.programs.notations import to_gbnf, to_lark
from qa_engine.scenes.scene import Scene
from qa_engine.tasks import TASKS

SCENE = Scene(
    scene_name="s",
    dataset="toy",
    category=np.array(["chair", "chair", "table", 'a "lamp"', "wall"]),
    center=np.array([[0, 0, 0.5], [4, 0, 0.5], [0, 3, 0.5], [-2, 0, 0.5], [0, 0, 1]]),
    size=np.array([[0.5, 0.5, 1], [0.5, 0.5, 1], [1, 2, 1], [0.2, 0.2, 1], [9, 0.1, 2]]),
    rotation=np.repeat(np.eye(3)[None], 5, axis=0),
    room_size_m2=20.0,
)
FACTS = Facts(SCENE)
TYPED = {ProgramCode.WRONG_TYPE, ProgramCode.WRONG_UNIT, ProgramCode.SYNTAX, ProgramCode.NOT_IN_LANGUAGE}
TYPED |= {ProgramCode.UNKNOWN_OPERATOR, ProgramCode.UNKNOWN_INSTANCE, ProgramCode.UNKNOWN_CATEGORY}


class Sampler:
    """Draws sentences of a grammar; below a depth the shortest way to an end is taken."""

    def __init__(self, grammar, seed):
        self.grammar, self.rng = grammar, np.random.default_rng(seed)
        self.depths = dict.fromkeys(grammar.rules, np.inf) | dict.fromkeys(grammar.terminals, 0)
        while any(self._improve(rule) for rule in grammar.rules):
            pass

    def _improve(self, rule):
        best = 1 + min(self._depth(part) for part in self.grammar.rules[rule])
        better = best < self.depths[rule]
        self.depths[rule] = min(best, self.depths[rule])
        return better

    def _depth(self, part):
        needed = [i for item in part for i in (item.items * min(item.low, 1) if isinstance(item, Many) else [item])]
        return max((self.depths[item.name] for item in needed if isinstance(item, Ref)), default=0)

    def draw(self, name="start", depth=8):
        if name in self.grammar.terminals:
            return self._characters(self.grammar.terminals[name])
        parts = self.grammar.rules[name]
        costs = [self._depth(part) for part in parts]
        # Of the ways that end in time any; else the shortest.
        fitting = [k for k, cost in enumerate(costs) if cost <= depth] or [int(np.argmin(costs))]
        return self._sequence(parts[self.rng.choice(fitting)], depth - 1)

    def _sequence(self, items, depth):
        return "".join(self._item(item, depth) for item in items)

    def _item(self, item, depth):
        if isinstance(item, str):
            return item
        if isinstance(item, Ref):
            return self.draw(item.name, depth)
        if isinstance(item, OneOf):
            return item.texts[self.rng.integers(len(item.texts))]
        most = item.low + (depth > 0 and int(self.rng.integers(2)))
        return "".join(self._sequence(item.items, depth) for _ in range(most))

    def _characters(self, one: Characters):
        letters = "abc (," if one.chars.startswith("^") else "123"
        n = one.low + int(self.rng.integers(3))
        return one.around + ("7" if one.head else "") + "".join(self.rng.choice(list(letters), n)) + one.around


def wrong(refused):
    """Refusals that the grammar should not let happen; the sum of an empty list has no unit."""
    return {text: str(error) for text, error in refused.items() if error.code in TYPED and "sum(" not in text}


def test_every_sentence_is_in_the_language_and_has_no_wrong_type_unit_or_name():
    sampler = Sampler(program_grammar(words_of(FACTS)), 3)
    nodes, used, refused = set(), set(), {}
    for _ in range(250):
        text = sampler.draw()
        tree = parse_program(text)
        nodes |= {type(node) for node in ast.walk(tree)}
        used |= {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call)}
        try:
            run_program(text, FACTS)
        except ProgramError as error:
            refused[text] = error
    assert not wrong(refused)
    assert nodes | {ast.Expression} == NODES
    assert len(used) > 30


def test_names_are_those_of_the_scene_and_operators_those_with_a_value_there():
    words = words_of(FACTS)
    assert words.instances == (0, 1, 2, 3)
    assert words.categories == ('a "lamp"', "chair", "table")
    assert {"room_area_m2", "distance_m", "max"} <= {*words.operators}
    assert not {"first_frame", "path_clear", "count_seen", "appearance_order"} & {*words.operators}
    assert program_grammar(words).rules["category_name"] == [(OneOf(("'a \"lamp\"'", '"chair"', '"table"')),)]
    assert reply_grammar(words, 1).rules["category_name"] == [(OneOf(("'chair'", "'table'")),)]


def test_every_reply_is_json_whose_program_gives_what_its_answer_type_says():
    sampler = Sampler(reply_grammar(words_of(FACTS), 3), 5)
    kinds = {"integer": {"number"}, "number": {"number"}, "choice": {"text", "category"}}
    seen, refused = set(), {}
    for _ in range(60):
        for value in read_objects(sampler.draw(depth=12)):
            value |= {"options": value["options"] and [f"{i} {text}" for i, text in enumerate(value["options"])]}
            proposal = read_proposal(value | {"question": f"How? {value['question']}"})
            seen.add(proposal.answer_type)
            assert proposal.question_type == "open" or TASKS[proposal.question_type].answer_type == proposal.answer_type
            try:
                result = run_program(proposal.program, FACTS)
            except ProgramError as error:
                refused[proposal.program] = error
                continue
            assert result.kind in kinds[proposal.answer_type]
            assert proposal.answer_type != "integer" or not result.unit
    assert not wrong(refused)
    assert seen == set(kinds)


def test_notations_hold_every_rule_once():
    grammar = reply_grammar(Words(instances=(3,), operators=("count", "distance_m")), 2)
    gbnf, lark = to_gbnf(grammar), to_lark(grammar)
    assert gbnf.startswith("root ::= ") or "\nroot ::= " in gbnf
    for name in (*grammar.rules, *grammar.terminals):
        assert f"\n{name}: " in f"\n{lark}"
        assert name == "start" or f"\n{name.replace('_', '-')} ::= " in f"\n{gbnf}"
    assert "first_frame" not in gbnf


@pytest.mark.slow
def test_lark_reads_the_program_of_every_question_type():
    lark = pytest.importorskip("lark")
    shapes = {re.sub(r"\{(\w+?)(_literal)?\}", _filled, task.program): name for name, task in TASKS.items()}
    used = {word for text in shapes for word in re.findall(r"\w+", text)} & {*OPERATORS}
    parser = lark.Lark(to_lark(program_grammar(Words(operators=tuple(used)))), parser="earley")
    for text, name in shapes.items():
        try:
            parser.parse(text)
        except lark.exceptions.LarkError as error:
            pytest.fail(f"{name}: {text}: {str(error)[:200]}")
    for wrong in ("distance_m(3)", "distance_m(3, 7) < 1.5", "count(3) + height_cm(2)", "().x", "[x for x in 3]"):
        with pytest.raises(lark.exceptions.LarkError):
            parser.parse(wrong)


def _filled(match):
    """A role of a template as a program has it: ids and names differ between programs, their places do not."""
    if match[2]:
        return '"chair"'
    return {"radius": "1.5"}.get(match[1], "3")


def test_command_prints_the_grammar_of_a_scene(call, tmp_path, capfd):
    assert call("grammar", "--format", "lark", "--of", "reply", "--count", 2) == 0
    assert capfd.readouterr().out == to_lark(reply_grammar(None, 2))
    assert call("grammar", "--scene", "s") == 2
    assert "--store and --scene belong together" in capfd.readouterr().err
