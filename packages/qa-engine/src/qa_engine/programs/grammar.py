"""The language as a context-free grammar, made from its own definition: operators, kinds, units, budget.

A nonterminal is a kind of value with its unit, so that a sentence has no wrong argument, type or unit. What a call
gives is asked of the operator itself, by calling it with a value of each kind; which units add and multiply, of
`combine_units`. Inside a comprehension there are further nonterminals, in which its variable is a value.

The grammar is smaller than the language: one spelling with single spaces, and loops over instances, frames and
categories, none within another. Of types and units one thing escapes it: the sum of an empty list has no unit.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qa_engine.programs.interpreter import OPERATORS
from qa_engine.programs.language import DEFAULT_BUDGET, ProgramCode, ProgramError
from qa_engine.programs.operators import Operator
from qa_engine.programs.values import TEXTS, UNITS, Items, Value, combine_units

VARIABLES = {"instance": "x", "frame": "f", "category": "c"}
"""Kinds that a comprehension of the grammar runs over, each with the one name of its variable."""

MOST_LOOPS = 1
"""Comprehensions around each other. A second one doubles the grammar and the time of guided decoding."""


@dataclass(frozen=True)
class Ref:
    """A nonterminal or a terminal."""

    name: str


@dataclass(frozen=True)
class Many:
    """A sequence, from `low` to `high` times; without `high` any number of times."""

    items: tuple[Item, ...]
    low: int = 0
    high: int | None = None


@dataclass(frozen=True)
class OneOf:
    """One of some texts."""

    texts: tuple[str, ...]


Item = str | Ref | Many | OneOf
"""Part of an alternative; a text stands for itself."""


@dataclass(frozen=True)
class Characters:
    """A terminal: `low` to `high` characters out of a class as regular expressions write it, between `around`."""

    chars: str
    low: int = 1
    high: int | None = None
    around: str = ""
    head: str = ""


@dataclass
class Grammar:
    """Rules by name, each a list of alternatives, and terminals by name in capitals."""

    start: str
    rules: dict[str, list[tuple[Item, ...]]] = field(default_factory=dict)
    terminals: dict[str, Characters] = field(default_factory=dict)


@dataclass(frozen=True)
class Words:
    """What programs may name, where the scene is known.

    Attributes
    ----------
    instances : tuple of int, optional
        Ids; any whole number where it is None.
    categories : tuple of str, optional
        Names; any text where it is None.
    operators : tuple of str
        Names of operators that have a value for the scene.
    """

    instances: tuple[int, ...] | None = None
    categories: tuple[str, ...] | None = None
    operators: tuple[str, ...] = tuple(OPERATORS)


def _sort(kind: str, unit: str = "") -> str:
    return f"{kind}_{unit}" if unit else kind


_UNITS = ("", *dict.fromkeys((*UNITS, *(o.unit for o in OPERATORS.values() if o.unit not in ("", "same")))))
_NUMBERS = tuple(_sort("number", unit) for unit in _UNITS)
_SINGLE = (*_NUMBERS, "instance", "frame", "category", "text", "bool")
NUMBERS = _NUMBERS
"""Nonterminals of numbers: plain, and one for each unit."""

_ORDERED, _EQUAL, _MEMBER = ("<", "<=", ">", ">=", "==", "!="), ("==", "!="), ("in", "not in")


def _samples() -> dict[str, Value]:
    """Make one value of every kind, on which operators say what they give."""
    # 0 is the index of the one item of a list.
    made = {_sort("number", unit): Value("number", 0, unit) for unit in _UNITS}
    made |= {"instance": Value("instance", 0), "frame": Value("frame", 0), "bool": Value("bool", True)}
    made |= {kind: Value(kind, "a") for kind in TEXTS}
    return made | {f"list_{name}": Value("list", Items([value])) for name, value in made.items()}


_SAMPLES = _samples()


def _sort_of(value: Value) -> str:
    if value.kind == "list":
        return f"list_{_sort_of(value.data[0])}"
    return _sort(value.kind, value.unit)


def _lists(*names: str) -> tuple[str, ...]:
    return tuple(f"list_{name}" for name in names)


_FITTING: Mapping[str, tuple[str, ...]] = {
    **{kind: (kind,) for kind in ("instance", "frame", "category")},
    **{"plain": ("number",), "number": _NUMBERS, "text": TEXTS},
    **{"instances": _lists("instance"), "frames": _lists("frame"), "categories": _lists("category")},
    **{"numbers": _lists(*_NUMBERS), "bools": _lists("bool"), "texts": _lists(*TEXTS), "list": _lists(*_SINGLE)},
}
"""Parameter type of an operator to the nonterminals of what fits."""

_RESULTS = {"instances": "list_instance", "frames": "list_frame", "categories": "list_category"}


def _converted(kind: str, value: Value) -> Any:
    """Give what an operator's function gets of a value, without a scene; see `Operator.parameters`."""
    if kind in ("list", "number", "value"):
        return value
    return [item.data for item in value.data] if value.kind == "list" else value.data


def _calls(operator: Operator) -> Iterable[tuple[tuple[str, ...], str]]:
    """List the kinds of arguments that an operator takes, each with the kind of its result."""
    kinds = [kind for _, kind in operator.parameters]
    for given in itertools.product(*(_FITTING[kind] for kind in kinds)):
        values = [_SAMPLES[name] for name in given]
        if operator.result == "value":
            try:
                # Such operators work on values alone, so that they need no scene.
                result = operator.function(None, *map(_converted, kinds, values))
            except ProgramError as error:
                if error.code not in (ProgramCode.WRONG_TYPE, ProgramCode.WRONG_UNIT):
                    raise
                continue
            yield given, _sort_of(result)
        elif operator.unit == "same":
            yield given, given[0].removeprefix("list_")
        else:
            yield given, _RESULTS.get(operator.result, _sort(operator.result, operator.unit))


def _merged(operator: Operator) -> Iterable[tuple[tuple[str, ...], str]]:
    """List the calls, with one nonterminal for all that fits a parameter where the result does not depend on it."""
    calls = dict(_calls(operator))
    for k, (_, kind) in enumerate(operator.parameters):
        fitting = _FITTING[kind]
        groups: dict[tuple[tuple[str, ...], str], set[str]] = {}
        for given, result in calls.items():
            groups.setdefault(((*given[:k], *given[k + 1 :]), result), set()).add(given[k])
        if len(fitting) > 1 and all(found == set(fitting) for found in groups.values()):
            calls = {(*rest[:k], f"any_{kind}", *rest[k:]): result for rest, result in groups}
    return calls.items()


def program_grammar(
    words: Words | None = None, *, results: Sequence[str] = _SINGLE, quotes: str = "\"'", terse: bool = False
) -> Grammar:
    """Write the grammar of programs.

    Parameters
    ----------
    words : Words, optional
        What the scene has.
    results : sequence of str
        Nonterminals of what a program may give: `number`, `number_m`, ..., `text`, `category`, `bool`, `instance`,
        `frame`.
    quotes : str
        Quotation marks of texts.
    terse : bool
        No brackets around a part, and at most two terms, factors, or conditions: a small model nests arithmetic until
        its reply is cut off.

    Examples
    --------
    >>> grammar = program_grammar(Words(instances=(3, 7)), results=["number_m"])
    >>> grammar.rules["instance_id"]
    [(OneOf(texts=('3', '7')),)]
    """
    maker = _Maker(words or Words(), quotes, terse)
    maker.grammar.rules["start"] = [(Ref(maker.need(name, ())),) for name in results]
    maker.make_needed()
    maker.literals()
    return maker.grammar


class _Maker:
    """Makes the rules that others need, from the start on."""

    def __init__(self, words: Words, quotes: str, terse: bool) -> None:
        self.words, self.quotes, self.terse = words, quotes, terse
        self.grammar = Grammar("start")
        self.waiting: list[tuple[str, tuple[str, ...]]] = []
        self.calls: dict[str, dict[tuple[str, ...], list[str]]] = {}
        for name in words.operators:
            for given, result in _merged(OPERATORS[name]):
                self.calls.setdefault(result, {}).setdefault(given, []).append(name)

    def need(self, name: str, bound: tuple[str, ...]) -> str:
        """Name the rule of a kind inside loops over the kinds `bound`."""
        rule = "_".join([name, *(VARIABLES[kind] for kind in bound)]) + "_expr" if bound else f"{name}_expr"
        if rule not in self.grammar.rules:
            self.grammar.rules[rule] = []
            self.waiting.append((name, bound))
        return rule

    def make_needed(self) -> None:
        while self.waiting:
            name, bound = self.waiting.pop()
            suffix = "".join(f"_{VARIABLES[kind]}" for kind in bound)
            if name.startswith("any_"):
                parts: list[tuple[Item, ...]] = [
                    (self._ref(fitting, bound),) for fitting in _FITTING[name.removeprefix("any_")]
                ]
            else:
                parts = self._list(name, bound) if name.startswith("list_") else self._single(name, bound, suffix)
            self.grammar.rules[self.need(name, bound)] = parts

    def _ref(self, name: str, bound: tuple[str, ...]) -> Ref:
        return Ref(self.need(name, bound))

    def _single(self, name: str, bound: tuple[str, ...], suffix: str) -> list[tuple[Item, ...]]:
        """Write a value, or one of two by a condition."""
        whole, atom = Ref(f"{name}{suffix}_sum"), Ref(f"{name}{suffix}_atom")
        self.grammar.rules[atom.name] = self._atom(name, bound)
        if name == "bool":
            self._logic(suffix, atom, bound)
        elif name in _NUMBERS:
            self._arithmetic(name, suffix, bound)
        else:
            whole = atom
        return [(whole, Many((" if ", self._condition(bound), " else ", self._ref(name, bound)), 0, 1))]

    def _atom(self, name: str, bound: tuple[str, ...]) -> list[tuple[Item, ...]]:
        found: list[tuple[Item, ...]] = [] if self.terse else [("(", self._ref(name, bound), ")")]
        literal = {"number": "plain_number", "instance": "instance_id", "frame": "NATURAL", "text": "text_literal"}
        literal |= {"category": "category_name"}
        if name in literal:
            found.append((Ref(literal[name]),))
        if name in bound:
            found.append((VARIABLES[name],))
        return found + self._called(name, bound)

    def _called(self, name: str, bound: tuple[str, ...]) -> list[tuple[Item, ...]]:
        """List calls that give a kind; operators with the same kinds of arguments share an alternative."""
        found: list[tuple[Item, ...]] = []
        for given, names in self.calls.get(name, {}).items():
            arguments: list[Item] = []
            for k, kind in enumerate(given):
                arguments += [", "] * (k > 0) + [self._ref(kind, bound)]
            found.append((OneOf(tuple(names)), "(", *arguments, ")"))
        return found

    def _arithmetic(self, name: str, suffix: str, bound: tuple[str, ...]) -> None:
        """Write sums of products; a product of three needs brackets unless it is scaled by plain numbers."""
        rules, product, atom = self.grammar.rules, Ref(f"{name}{suffix}_product"), Ref(f"{name}{suffix}_atom")
        plain = Ref(f"number{suffix}_atom")
        self.need("number", bound)
        rules[f"{name}{suffix}_sum"] = [(product, self._more(OneOf((" + ", " - ")), product))]
        rules[product.name] = [(Many(("-",), 0, 1), atom, self._more(OneOf((" * ", " / ")), plain))]
        for (a, b), symbols in _products(name).items():
            self.need(a, bound)
            self.need(b, bound)
            signs = OneOf(tuple(f" {symbol} " for symbol in symbols))
            rules[product.name].append((Ref(f"{a}{suffix}_atom"), signs, Ref(f"{b}{suffix}_atom")))

    def _more(self, *items: Item) -> Many:
        """Further terms of the kind before."""
        return Many(items, 0, 1 if self.terse else None)

    def _logic(self, suffix: str, atom: Ref, bound: tuple[str, ...]) -> None:
        rules = self.grammar.rules
        both, one = Ref(f"bool{suffix}_and"), Ref(f"bool{suffix}_not")
        rules[f"bool{suffix}_sum"] = [(both, self._more(" or ", both))]
        rules[both.name] = [(one, self._more(" and ", one))]
        rules[one.name] = [(Many(("not ",), 0, 1), atom)]
        compared: list[tuple[Item, ...]] = []
        for name in _SINGLE:
            if name == "bool":
                continue
            self.need(name, bound)
            left = Ref(f"{name}{suffix}_{'sum' if name in _NUMBERS else 'atom'}")
            signs = _ORDERED if name in _NUMBERS or name == "frame" else _EQUAL
            others = TEXTS if name in TEXTS else (name,)
            for other in others:
                self.need(other, bound)
                right = Ref(f"{other}{suffix}_{'sum' if other in _NUMBERS else 'atom'}")
                compared.append((left, OneOf(tuple(f" {sign} " for sign in signs)), right))
            compared.append((left, OneOf(tuple(f" {word} " for word in _MEMBER)), self._ref(f"list_{name}", bound)))
        rules[one.name] += [(Many(("not ",), 0, 1), *sides) for sides in compared]

    def _list(self, name: str, bound: tuple[str, ...]) -> list[tuple[Item, ...]]:
        item = name.removeprefix("list_")
        inside = self._ref(item, bound)
        found: list[tuple[Item, ...]] = [("[", inside, Many((", ", inside)), "]")]
        for kind, variable in VARIABLES.items() if len(bound) < MOST_LOOPS else ():
            if kind in bound:
                continue
            within = tuple(k for k in VARIABLES if k in (*bound, kind))
            loop = (f" for {variable} in ", self._ref(f"list_{kind}", bound))
            condition = Many((" if ", self._condition(within)), 0, 1)
            found.append(("[", self._ref(item, within), *loop, condition, "]"))
        return found + self._called(name, bound)

    def _condition(self, bound: tuple[str, ...]) -> Ref:
        """Name what stands after `if`: a condition that has an `if` itself needs brackets there."""
        self.need("bool", bound)
        return Ref("bool" + "".join(f"_{VARIABLES[kind]}" for kind in bound) + "_sum")

    def literals(self) -> None:
        """Write what stands for itself."""
        rules, terminals = self.grammar.rules, self.grammar.terminals
        terminals["NATURAL"] = Characters("0-9", 0, 8, head="1-9")
        rules["plain_number"] = [
            (Ref("NATURAL"), Many((".", Ref("DIGITS")), 0, 1)),
            ("0", Many((".", Ref("DIGITS")), 0, 1)),
        ]
        terminals["DIGITS"] = Characters("0-9", 1, 6)
        texts: list[tuple[Item, ...]] = []
        for quote, name in (('"', "DOUBLE"), ("'", "SINGLE")):
            if quote in self.quotes:
                # In one string of JSON neither the other mark nor a backslash may stand.
                excluded = "\"'" if len(self.quotes) == 1 else quote
                terminals[name] = Characters(f"^{excluded}\\\\\\x00-\\x1F\\x7F", 0, DEFAULT_BUDGET.text, around=quote)
                texts.append((Ref(name),))
        rules["text_literal"] = texts
        rules["category_name"] = self._names() or [(Ref("text_literal"),)]
        instances = self.words.instances
        rules["instance_id"] = [(OneOf(tuple(map(str, instances))),)] if instances else [(Ref("NATURAL"),), ("0",)]
        self._natural()

    def _names(self) -> list[tuple[Item, ...]]:
        """Categories of the scene as literals; one that no mark can hold is left out."""
        quoted = []
        for name in self.words.categories or ():
            mark = next((q for q in self.quotes if q not in name and "\\" not in name and name.isprintable()), None)
            if mark and not (len(self.quotes) == 1 and '"' in name):
                quoted.append(f"{mark}{name}{mark}")
        return [(OneOf(tuple(quoted)),)] if quoted else []

    def _natural(self) -> None:
        """Frames and plain numbers begin at 0, which is no beginning of a longer number."""
        for alternatives in self.grammar.rules.values():
            if (Ref("NATURAL"),) in alternatives and ("0",) not in alternatives:
                alternatives.append(("0",))


def _products(name: str) -> dict[tuple[str, str], list[str]]:
    """Pairs of numbers with units of which a product or quotient is of this unit, beside scaling by plain numbers."""
    found: dict[tuple[str, str], list[str]] = {}
    for a, b, symbol in itertools.product(_UNITS, _UNITS, "*/"):
        if not b:
            continue
        try:
            unit = combine_units(symbol, Value("number", 1, a), Value("number", 1, b), column=0)
        except ProgramError:
            continue
        if _sort("number", unit) == name:
            found.setdefault((_sort("number", a), _sort("number", b)), []).append(symbol)
    return found
