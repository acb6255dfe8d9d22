"""A small run on disk, and tokenizers of the shapes that models bring."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

TYPES = ("object_counting", "object_rel_distance")


def write(folder: Path, table: str, rows: list[dict]) -> Path:
    """Write rows as a table; what they lack is null."""
    from qa_contract.tableio import table_metadata, with_every_column, write_table
    from qa_contract.tables import TABLES

    frame = with_every_column(pl.DataFrame(rows, infer_schema_length=None), TABLES[table])
    return write_table(frame, folder / f"{table}.parquet", TABLES[table], table_metadata(table, "test", {}, 0))


def questions(round_number: int, count: int = 4) -> list[dict]:
    return [
        {
            "question_id": f"q{round_number}-{k}",
            "scene_name": f"room_{k % 2}",
            "question_type": TYPES[k % 2],
            "question": f"How many chairs stand at place {k}?",
            "ground_truth": "2",
            "cell": "count:2",
            "round": round_number,
            "evidence_frames": ["00001"],
        }
        for k in range(count)
    ]


def answers(asked: list[dict], round_number: int, right: int) -> tuple[list[dict], list[dict], list[dict]]:
    """Predictions, scores and confidence: the first `right` questions are answered rightly, the others wrongly."""
    keys = ("question_id", "scene_name", "question_type")
    base = [{name: row[name] for name in keys} | {"round": round_number, "model_id": "m"} for row in asked]
    texts = ["2" if k < right else "7" for k in range(len(asked))]
    predictions = [
        row | {"phase": "eval", "completion": text, "frame_ids": ["00000", "00001"], "frame_set_id": "uniform-2"}
        for row, text in zip(base, texts, strict=True)
    ]
    scores = [
        row | {"parsed": text, "score": float(text == "2"), "benchmark": "questions"}
        for row, text in zip(base, texts, strict=True)
    ]
    sure = [
        row | {"phase": "eval", "raw_confidence": 0.5 + 0.1 * k, "score": float(text == "2"), "label": "frontier"}
        for k, (row, text) in enumerate(zip(base, texts, strict=True))
    ]
    return predictions, scores, sure


def write_run(out: Path) -> Path:
    """Write what a run of two rounds leaves: the model learns one question in every round."""
    write(out / "store", "scenes", [{"scene_name": f"room_{k}", "split": "test"} for k in range(2)])
    cloud = write(out / "store/clouds", "cloud", [{"x": 0.0, "y": 0.0, "z": 0.0, "instance_id": -1}])
    cloud.rename(out / "store/clouds/room_0.parquet")
    (out / "store/frames").mkdir()
    (out / "store/frames/scores.parquet").write_text("an image's folder is not looked into")
    asked = questions(0)
    write(out / "eval_questions", "questions", asked)
    for number in range(3):
        here = out / f"round_{number:02d}"
        for stage, right in (("eval", number + 1), ("blind", 1)):
            predictions, scores, sure = answers(asked, number, right)
            write(here / stage, "predictions", predictions)
            write(here / stage, "scores", scores)
            if stage == "eval":
                write(here / "eval_confidence", "confidence", sure)
        if number == 0:
            continue
        trained = questions(number)
        write(here / "questions", "questions", trained)
        keys = ("question_id", "scene_name", "question_type", "cell")
        chosen = [{name: row[name] for name in keys} | {"sampler": "baseline", "weight": 0.5} for row in trained]
        write(here / "questions", "choices", [row | {"why": "no feedback"} for row in chosen])
        refused = {"stage": "generate", "item": "chair", "scene_name": "room_0", "reason": "count_below_two"}
        write(here / "questions", "rejects", [refused | {"detail": "count 1"}])
        labels = ("easy", "frontier", "frontier", "hard")
        write(
            here / "confidence",
            "confidence",
            [
                {"question_id": row["question_id"], "phase": "train", "round": number, "label": label}
                for row, label in zip(trained, labels, strict=True)
            ],
        )
        counted = {"round": number, "scene_name": "room_0", "question_type": TYPES[0], "cell": "count:2"}
        write(here / "feedback", "feedback", [counted | {"n": 4, "n_easy": 1, "mean_confidence": 0.5}])
    return out


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "first")


class ByteTokenizer:
    """Byte-level: a token per byte, merges of white space and words, special tokens in front, as GPT-2 and Qwen."""

    specials = ("<|endoftext|>", "<|im_end|>")
    merges = (b" A", b"\n\n", b"sofa", b"  ")

    def __init__(self):
        self.vocabulary = [*self.specials, *(bytes([k]) for k in range(256)), *self.merges]

    all_special_ids = (0, 1)

    def decode(self, ids):
        pieces = (self.vocabulary[k] for k in ids)
        return b"".join(p.encode() if isinstance(p, str) else p for p in pieces).decode("utf-8", errors="replace")

    def encode(self, text, *, add_special_tokens):
        assert not add_special_tokens
        data, ids = text.encode(), []
        while data:
            piece = max((m for m in self.merges if data.startswith(m)), key=len, default=data[:1])
            ids.append(self.vocabulary.index(piece))
            data = data[len(piece) :]
        return ids


class PrefixTokenizer(ByteTokenizer):
    """Writes a mark before a word, as SentencePiece without merges: every letter is two tokens, the mark first."""

    def encode(self, text, *, add_special_tokens):
        return [2 + 0x5F, *super().encode(text, add_special_tokens=add_special_tokens)]


class NibbleTokenizer(ByteTokenizer):
    """Needs two tokens a byte, the low half first: letters take several tokens, and begin with different ones."""

    def __init__(self):
        self.vocabulary = [*self.specials, *range(32)]

    def encode(self, text, *, add_special_tokens):
        return [2 + half for byte in text.encode() for half in (byte % 16, 16 + byte // 16)]


@pytest.fixture
def byte_tokenizer():
    return ByteTokenizer()


@pytest.fixture
def prefix_tokenizer():
    return PrefixTokenizer()


@pytest.fixture
def nibble_tokenizer():
    return NibbleTokenizer()
