"""The proposer with a model: it writes questions and programs; what passes every filter becomes a question."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from qa_contract.leakage import benchmark_of
from qa_contract.tables import QUESTIONS

from qa_engine.facts.scene import Facts
from qa_engine.generation.llm import checks
from qa_engine.generation.llm.checks import REPAIRABLE, LLMReason, Operands, Refusal
from qa_engine.generation.llm.client import ChatClient, OversizedError, ServerError
from qa_engine.generation.llm.guide import guide_fields
from qa_engine.generation.llm.prompt import PROPOSE, proposal_messages, recheck_messages, repair_messages, template_id
from qa_engine.generation.llm.reply import Proposal, ReplyError, read_objects, read_proposal
from qa_engine.programs.pool import Outcome, ProgramPool
from qa_engine.scenes.scene import Frame
from qa_engine.seeding import scene_rng
from qa_engine.tasks import TASKS, answer_texts
from qa_engine.tasks.base import LETTERS
from qa_engine.tasks.wording import PROMPT_ID, question_id
from qa_engine.views.evidence import Evidence

CELLS = ((20, "steps:<20"), (100, "steps:20-100"))
"""Cells of a model's questions: how many steps their program takes, below each edge."""

LAST_CELL = "steps:>=100"


@dataclass(frozen=True)
class SceneInput:
    """One scene to ask about.

    Attributes
    ----------
    facts : Facts
    frames : tuple of Frame
        What the model and later the solver see; may be empty.
    seen : Evidence or None
        What these frames show; None where nobody looked.
    exemplars : str
        Questions of the last round with their labels, as text.
    why : str
        Why questions are asked about it, for `choices`.
    asked : frozenset of str
        Keys of programs that were asked before.
    """

    facts: Facts
    frames: tuple[Frame, ...] = ()
    seen: Evidence | None = None
    exemplars: str = ""
    why: str = ""
    asked: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Accepted:
    """A proposal that passed every filter: its outcome on the scene and on noisy copies, operands, and its key."""

    proposal: Proposal
    outcome: Outcome
    noisy: tuple[Outcome, ...]
    operands: Operands
    key: str


@dataclass
class SceneProposals:
    """What came of one scene: proposals to ask, and rejects as (item, question type, reason, detail).

    `lost` is true where the server failed, so that another run may get more.
    """

    scene: SceneInput
    accepted: list[Accepted] = field(default_factory=list)
    rejects: list[tuple[str, str, str, str]] = field(default_factory=list)
    lost: bool = False

    @property
    def scene_name(self) -> str:
        """Name of the scene."""
        return self.scene.facts.scene.scene_name


@dataclass(frozen=True)
class _Draft:
    """One object of a reply: what it says, or what is wrong with it."""

    text: str
    proposal: Proposal | None = None
    refusal: Refusal | None = None
    outcome: Outcome | None = None


class LLMProposer:
    """Asks a model for questions about scenes and filters what it says.

    Parameters
    ----------
    client : ChatClient
    pool : ProgramPool
        Runs the programs.
    per_scene : int
        Questions to ask a model for.
    seed, round : int
    frame_set_id : str or None
    guide : str
        One of `qa_engine.generation.llm.request.GUIDES`.
    allow_benchmark_scenes : bool
    recheck : bool
        Ask the model about every question whether it needs the frames and its answer is plausible.
    """

    def __init__(
        self,
        client: ChatClient,
        pool: ProgramPool,
        *,
        per_scene: int = 5,
        seed: int = 0,
        round: int = 0,
        frame_set_id: str | None = None,
        guide: str = "none",
        allow_benchmark_scenes: bool = False,
        recheck: bool = False,
    ) -> None:
        self.client = client
        self.pool = pool
        self.per_scene = per_scene
        self.seed = seed
        self.round = round
        self.frame_set_id = frame_set_id
        self.guide = guide
        self.allow_benchmark_scenes = allow_benchmark_scenes
        self.recheck = recheck

    def find(self, scenes: Sequence[SceneInput]) -> list[SceneProposals]:
        """Ask about scenes, all at a time, and filter what comes; results stand in their order."""
        with ThreadPoolExecutor(max(len(scenes), 1)) as threads:
            return list(threads.map(self.scene, scenes))

    def choose(self, found: list[SceneProposals], quota: int | None) -> list[SceneProposals]:
        """Keep the first `quota` proposals; all of them for None."""
        kept = []
        for result in found:
            accepted = result.accepted[:quota]
            quota = None if quota is None else quota - len(accepted)
            kept.append(replace(result, accepted=accepted))
        return kept

    def write(self, found: list[SceneProposals]) -> pl.DataFrame:
        """Write the proposals as rows of `questions`."""
        rows = [self._row(result.scene, accepted) for result in found for accepted in result.accepted]
        return pl.DataFrame(rows, schema=dict(QUESTIONS))

    def scene(self, scene: SceneInput) -> SceneProposals:
        """Ask about one scene."""
        name = scene.facts.scene.scene_name
        result = SceneProposals(scene)
        benchmark = benchmark_of(name)
        if benchmark is not None and not self.allow_benchmark_scenes:
            detail = f"the scene is in {benchmark}; --allow-benchmark-scenes asks about it anyway."
            result.rejects.append(("", "", LLMReason.BENCHMARK_SCENE, detail))
            return result
        try:
            drafts, result.lost = self._ask(scene)
        except OversizedError as error:
            result.rejects.append(("", "", LLMReason.OVERSIZED_REPLY, str(error)))
            return result
        except ServerError as error:
            result.rejects.append(("", "", LLMReason.SERVER_ERROR, str(error)))
            result.lost = True
            return result
        self._filter(scene, drafts, result)
        return result

    def _ask(self, scene: SceneInput) -> tuple[list[_Draft], bool]:
        """Ask, and ask once more about what cannot be used; also tell whether the server failed there."""
        messages = proposal_messages(scene.facts, scene.frames, count=self.per_scene, exemplars=scene.exemplars)
        guide = guide_fields(self.guide, scene.facts, self.per_scene)
        reply = self.client.ask(messages, seed=self._request_seed(scene), guide=guide)
        drafts = self._run(scene, _drafts(reply))
        broken = [i for i, draft in enumerate(drafts) if draft.refusal and draft.refusal.reason in REPAIRABLE]
        if not broken:
            return drafts, False
        errors = [(drafts[i].text, drafts[i].refusal.detail) for i in broken]  # type: ignore[union-attr]
        try:
            guide = guide_fields(self.guide, scene.facts, len(broken))
            repair = repair_messages(messages, reply, errors)
            again = _drafts(self.client.ask(repair, seed=self._request_seed(scene), guide=guide))
        except OversizedError:
            return drafts, False
        except ServerError:
            return drafts, True
        whole = len(drafts) == 1 and drafts[0].proposal is None  # not even a list: all of it was asked for again
        repaired = self._run(scene, again if whole else again[: len(broken)])
        if whole:
            return repaired, False
        for i, draft in zip(broken, repaired, strict=False):
            drafts[i] = draft
        return drafts, False

    def _request_seed(self, scene: SceneInput) -> int:
        rng = scene_rng(self.seed, scene.facts.scene.scene_name, "llm/request", self.round)
        return int(rng.integers(2**31))

    def _run(self, scene: SceneInput, drafts: list[_Draft]) -> list[_Draft]:
        """Run the programs of drafts and check their types."""
        good = [i for i, draft in enumerate(drafts) if draft.proposal is not None]
        programs = [drafts[i].proposal.program for i in good]  # type: ignore[union-attr]
        outcomes = self.pool.run([(scene.facts.scene, programs)])[0]
        for i, outcome in zip(good, outcomes, strict=True):
            proposal = drafts[i].proposal
            assert proposal is not None
            refusal = checks.check_outcome(proposal, outcome)
            drafts[i] = _Draft(drafts[i].text, proposal, refusal, outcome)
        return drafts

    def _filter(self, scene: SceneInput, drafts: list[_Draft], result: SceneProposals) -> None:
        """Apply the filters that come after running."""
        ready = [draft for draft in drafts if draft.refusal is None]
        programs = [draft.proposal.program for draft in ready if draft.proposal]
        rng = scene_rng(self.seed, scene.facts.scene.scene_name, "llm/noise", self.round)
        noisy = self.pool.run([(other, programs) for other in checks.noisy_scenes(scene.facts.scene, rng)])
        known: set[str] = set()
        column = 0
        for draft in drafts:
            refusal, proposal, outcome = draft.refusal, draft.proposal, draft.outcome
            if refusal is None and proposal and outcome:
                outcomes = [part[column] for part in noisy]
                column += 1
                key = checks.program_key(proposal.program)
                operands = checks.operands_of(proposal.program, scene.facts)
                refusal = self._first_refusal(scene, proposal, outcome, outcomes, operands, key, known)
                known.add(key)
                if refusal is None:
                    result.accepted.append(Accepted(proposal, outcome, tuple(outcomes), operands, key))
                    continue
            assert refusal is not None
            kind = proposal.question_type if proposal and proposal.question_type in TASKS else "open"
            result.rejects.append((draft.text[:300], kind, refusal.reason, refusal.detail[:500]))

    def _first_refusal(
        self,
        scene: SceneInput,
        proposal: Proposal,
        outcome: Outcome,
        noisy: Sequence[Outcome],
        operands: Operands,
        key: str,
        known: set[str],
    ) -> Refusal | None:
        """Find the first filter that refuses a proposal."""
        facts = scene.facts
        refusal = (
            checks.check_degenerate(proposal, outcome)
            or checks.check_stable(proposal, outcome, noisy)
            or checks.check_references(proposal, facts, operands)
            or checks.check_visible(facts, operands, scene.seen)
        )
        if refusal is None and key in scene.asked:
            refusal = Refusal(LLMReason.ASKED_BEFORE, f"an earlier round asked {key}.")
        if refusal is None and key in known:
            refusal = Refusal(LLMReason.DUPLICATE, f"the same as another: {key}.")
        refusal = refusal or checks.check_shortcut(proposal, outcome)
        return refusal or (self._recheck(scene, proposal, outcome) if self.recheck else None)

    def _recheck(self, scene: SceneInput, proposal: Proposal, outcome: Outcome) -> Refusal | None:
        answer = str(outcome.value) if proposal.options else f"{outcome.value:.4g} {outcome.unit}".strip()
        messages = recheck_messages(scene.frames, proposal.question, proposal.options, answer)
        try:
            verdict = read_objects(self.client.ask(messages, seed=self._request_seed(scene)))[0]
        except (ServerError, ReplyError, IndexError) as error:
            return Refusal(LLMReason.RECHECK, f"no verdict: {error}")
        if not isinstance(verdict, dict) or verdict.get("needs_frames") is not True:
            return Refusal(LLMReason.RECHECK, "the model says that it can be answered without the frames.")
        if verdict.get("plausible") is not True:
            return Refusal(LLMReason.RECHECK, "the model says that the answer is not plausible.")
        return None

    def _row(self, scene: SceneInput, accepted: Accepted) -> dict[str, Any]:
        """Write a question as a row of the table."""
        facts, name = scene.facts, scene.facts.scene.scene_name
        proposal, outcome, key = accepted.proposal, accepted.outcome, accepted.key
        signature = f"{name}|program|{key}"
        options, truth = None, ""
        if proposal.options:
            order = scene_rng(self.seed, name, f"llm/options/{key}", self.round).permutation(len(proposal.options))
            texts = [proposal.options[i] for i in order]
            options = [f"{LETTERS[i]}. {text}" for i, text in enumerate(texts)]
            truth = LETTERS[texts.index(outcome.value)]
        else:
            truth = answer_texts([outcome.value], proposal.answer_type)[0]
        number = None if proposal.options else float(outcome.value)
        values = [] if number is None else [number, *(float(other.value) for other in accepted.noisy)]
        step = 1.0 if proposal.answer_type == "integer" else 0.1
        margin = None if number is None else float((0.5 - abs(number / step - np.rint(number / step))) * step)
        rows = checks.operand_rows(facts, accepted.operands)
        return {
            "question_id": question_id(signature, round=self.round, seed=self.seed),
            "dataset": facts.scene.dataset,
            "scene_name": name,
            "question_type": self._question_type(proposal),
            "question": proposal.question,
            "options": options,
            "ground_truth": truth,
            "answer_type": proposal.answer_type,
            "answer_value": number,
            "answer_low": min(values, default=None),
            "answer_high": max(values, default=None),
            "unit": outcome.unit or "",
            "program": proposal.program,
            "operands": _operands(facts, accepted.operands),
            "margin": margin,
            "margin_unit": "" if number is None else outcome.unit or "",
            "cell": next((cell for edge, cell in CELLS if (outcome.steps or 0) < edge), LAST_CELL),
            "difficulty": {"n_options": len(proposal.options) or None},
            "frame_set_id": self.frame_set_id,
            "evidence_frames": _evidence_frames(scene.seen, rows),
            "signature": signature,
            "proposer": f"llm/{template_id(PROPOSE)}/{self.client.connection.model}",
            "prompt_id": PROMPT_ID,
            "profile": facts.profile,
            "round": self.round,
            "seed": self.seed,
        }

    def _question_type(self, proposal: Proposal) -> str:
        """Keep a known type only where the answer is of that type's kind."""
        task = TASKS.get(proposal.question_type)
        return proposal.question_type if task and task.answer_type == proposal.answer_type else "open"


def _drafts(reply: str) -> list[_Draft]:
    """Read a reply, object by object."""
    try:
        objects = read_objects(reply)
    except ReplyError as error:
        return [_Draft(reply, refusal=Refusal(LLMReason.BAD_REPLY, str(error)))]
    if not objects:
        return [_Draft(reply, refusal=Refusal(LLMReason.BAD_REPLY, "the array is empty."))]
    drafts = []
    for value in objects:
        text = json.dumps(value)
        try:
            drafts.append(_Draft(text, read_proposal(value)))
        except ReplyError as error:
            drafts.append(_Draft(text, refusal=Refusal(LLMReason.BAD_REPLY, str(error))))
    return drafts


def _operands(facts: Facts, operands: Operands) -> list[dict[str, Any]]:
    scene = facts.scene
    single = [
        {"role": "object", "category": facts.categories[facts.code[row]], "instance_ids": [int(scene.instance_id[row])]}
        for row in operands.rows
    ]
    groups = [
        {
            "role": "category",
            "category": facts.categories[code],
            "instance_ids": scene.instance_id[facts.members[code]].tolist(),
        }
        for code in operands.categories
    ]
    return single + groups


def _evidence_frames(seen: Evidence | None, rows: Sequence[int]) -> list[str] | None:
    if seen is None:
        return None
    return [seen.frame_ids[place] for place in sorted({int(seen.best[row]) for row in rows if seen.best[row] >= 0})]
