"""Questions that people ask of a run, as SQL over the views of `qa_contract.connect`.

They are texts to read, run and change. All of them keep `run`, so that they compare several runs too.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Query:
    """A query with what it answers.

    Attributes
    ----------
    name : str
    about : str
        One sentence.
    sql : str
    """

    name: str
    about: str
    sql: str

    def markdown(self) -> str:
        """Describe the query for people, as a section of a page."""
        return f"### {self.name}\n\n{self.about}\n\n```sql\n{self.sql}\n```"


_QUERIES = (
    Query(
        "score_by_type",
        "Score of the model's own answers per question type and round, with the number of questions.",
        """\
SELECT run, round, question_type, count(score) AS n, round(avg(score), 3) AS score
FROM scores
WHERE stage = 'eval'
GROUP BY ALL
ORDER BY run, question_type, round""",
    ),
    Query(
        "learned_and_forgotten",
        "Questions whose answer went from wrong to right, or back, between one round and the next.",
        """\
SELECT now.run, now.round, now.question_type, now.score > before.score AS learned,
       q.question, q.ground_truth, before.parsed AS said_before, now.parsed AS says_now
FROM scores AS now
JOIN scores AS before ON (before.run, before.question_id, before.stage, before.round)
                       = (now.run, now.question_id, now.stage, now.round - 1)
JOIN questions AS q ON (q.run, q.question_id) = (now.run, now.question_id)
WHERE now.stage = 'eval' AND least(now.score, before.score) = 0 AND greatest(now.score, before.score) = 1
ORDER BY now.run, now.round, learned DESC, now.question_type, now.question_id""",
    ),
    Query(
        "confident_mistakes",
        "Wrong answers of which the model was most sure, in the last round.",
        """\
SELECT c.run, c.question_type, round(coalesce(c.confidence, c.raw_confidence), 3) AS confidence,
       q.scene_name, q.question, q.ground_truth, p.completion
FROM confidence AS c
JOIN questions AS q USING (run, question_id)
JOIN predictions AS p ON (p.run, p.round, p.stage, p.question_id) = (c.run, c.round, 'eval', c.question_id)
WHERE c.phase = 'eval' AND c.score = 0
QUALIFY c.round = max(c.round) OVER (PARTITION BY c.run)
ORDER BY confidence DESC NULLS LAST, c.run, c.question_id
LIMIT 20""",
    ),
    Query(
        "label_shares",
        "How the questions of each training round were labelled.",
        """\
SELECT run, round, count(*) AS n,
       round(count(*) FILTER (label = 'easy') / count(*), 3) AS easy,
       round(count(*) FILTER (label = 'frontier') / count(*), 3) AS frontier,
       round(count(*) FILTER (label = 'hard') / count(*), 3) AS hard,
       round(count(*) FILTER (label = 'suspect') / count(*), 3) AS suspect
FROM confidence
WHERE phase = 'train'
GROUP BY ALL
ORDER BY run, round""",
    ),
    Query(
        "cells_asked_and_mastered",
        "Per cell of difficulty: how many questions each round asked, and how many of them were easy.",
        """\
SELECT run, round, question_type, cell, sum(n)::BIGINT AS asked, sum(n_easy)::BIGINT AS mastered,
       round(sum(n_easy) / sum(n), 3) AS share,
       round(sum(n * mean_confidence) / sum(n) FILTER (mean_confidence IS NOT NULL), 3) AS confidence
FROM feedback
GROUP BY ALL
ORDER BY run, question_type, cell, round""",
    ),
    Query(
        "reasons_to_ask",
        "What the sampler gave as its reason for the questions of each round.",
        """\
SELECT run, round, sampler, why, count(*) AS n, round(avg(weight), 4) AS weight
FROM choices
WHERE round > 0
GROUP BY ALL
ORDER BY run, round, n DESC, why""",
    ),
    Query(
        "rejects_by_reason",
        "Rows of `rejects` by command and reason, with an example; `generate` has up to 20 per type and reason.",
        """\
SELECT run, command, reason, count(*) AS n, count(DISTINCT scene_name) AS scenes,
       min_by(detail, (round, scene_name, item)) AS example
FROM rejects
GROUP BY ALL
ORDER BY run, n DESC, command, reason""",
    ),
    Query(
        "frames_by_type",
        "How many frames were shown per question type, and how many of them show what the answer needs.",
        """\
SELECT p.run, p.question_type, p.frame_set_id, count(*) AS answers,
       round(avg(len(p.frame_ids)), 2) AS shown,
       round(avg(len(list_intersect(p.frame_ids, q.evidence_frames))), 2) AS evidence
FROM predictions AS p
JOIN questions AS q USING (run, question_id)
WHERE p.stage = 'eval'
GROUP BY ALL
ORDER BY p.run, p.question_type, p.frame_set_id""",
    ),
    Query(
        "worth_of_sight",
        "Score with frames against the score of the same model without, per question type.",
        """\
SELECT run, round, question_type, count(*) AS n,
       round(avg(seeing.score), 3) AS seeing, round(avg(blind.score), 3) AS blind,
       round(avg(seeing.score - blind.score), 3) AS gain
FROM (FROM scores WHERE stage = 'eval') AS seeing
JOIN (FROM scores WHERE stage = 'blind') AS blind USING (run, round, question_type, question_id)
GROUP BY ALL
ORDER BY run, round, gain DESC, question_type""",
    ),
    Query(
        "reliability",
        "Confidence in the own answer against its score, in ten bins: equal where the model knows what it knows.",
        """\
SELECT run, round, least(floor(10 * coalesce(confidence, raw_confidence)), 9) / 10 AS bin, count(*) AS n,
       round(avg(coalesce(confidence, raw_confidence)), 3) AS confidence, round(avg(score), 3) AS score
FROM confidence
WHERE phase = 'eval' AND score IS NOT NULL AND coalesce(confidence, raw_confidence) IS NOT NULL
GROUP BY run, round, bin
ORDER BY run, round, bin""",
    ),
)

QUERIES: dict[str, Query] = {query.name: query for query in _QUERIES}
"""Name to query."""


def queries_markdown() -> str:
    """Describe every query for people, a section each."""
    return "\n\n".join(query.markdown() for query in QUERIES.values()) + "\n"
