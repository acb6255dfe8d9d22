"""ERQA's published file, written here byte by byte."""

import struct

import numpy as np
import pytest
from qa_eval.benchmarks import find_benchmark
from qa_eval.benchmarks.tfrecord import read_example, read_examples
from qa_eval.errors import QAEvalError


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while True:
        low, value = value & 0x7F, value >> 7
        out += bytes([low | (0x80 if value else 0)])
        if not value:
            return out


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def feature(values, *, packed=True):
    if isinstance(values[0], bytes):
        return field(1, b"".join(field(1, value) for value in values))
    if isinstance(values[0], float):
        return field(2, field(1, np.array(values, "<f4").tobytes()))
    numbers = [varint(value) for value in values]
    return field(3, field(1, b"".join(numbers)) if packed else b"".join(b"\x08" + n for n in numbers))


def example(features, **kwargs):
    entries = [field(1, name.encode()) + field(2, feature(values, **kwargs)) for name, values in features.items()]
    return field(1, b"".join(field(1, entry) for entry in entries))


def crc32c(data):
    """Bit by bit, unlike the reader's table."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def record(data):
    length = struct.pack("<Q", len(data))
    return length + masked(length) + data + masked(data)


ROWS = [
    {
        "answer": [b"B"],
        "question": b"Which way? Choices: A. left. B. right. Please answer directly with only the letter.",
        "question_type": [b"Trajectory Reasoning"],
        "image/encoded": [b"\xff\xd8" * 3000, b"png"],
        "visual_indices": [0, 57, -1],
    },
    {
        "answer": [b" A "],
        "question": "Où? A. x B. y".encode(),
        "question_type": [b"Pointing"],
        "image/encoded": [b""],
        "visual_indices": [2**40],
    },
]


@pytest.fixture
def erqa(tmp_path):
    rows = [{**row, "question": [row["question"]]} for row in ROWS]
    path = tmp_path / "erqa.tfrecord"
    path.write_bytes(record(example(rows[0])) + record(example(rows[1], packed=False)))
    return path


def test_the_checksum_is_crc32c():
    assert crc32c(b"123456789") == 0xE3069283


def test_examples_are_read_as_they_were_written(erqa):
    first, second = read_examples(erqa)
    assert first["visual_indices"] == [0, 57, -1]
    assert second["visual_indices"] == [2**40]
    assert first["image/encoded"] == ROWS[0]["image/encoded"]
    assert second["question"] == ["Où? A. x B. y".encode()]


def test_floats_and_empty_lists():
    data = field(1, field(1, field(1, b"none") + field(2, b"")))
    assert read_example(example({"x": [0.5, -2.0]})) == {"x": [0.5, -2.0]}
    assert read_example(data) == {"none": []}


def test_erqa_in_its_published_form(erqa):
    columns = find_benchmark("erqa").read(erqa)
    assert columns["id"] == [0, 1]
    assert columns["ground_truth"] == ["B", "A"]
    assert columns["question_type"] == ["Trajectory Reasoning", "Pointing"]
    assert columns["options"][1] == ["A. x", "B. y"]


def test_damage_is_named(erqa):
    whole = erqa.read_bytes()
    first = len(record(example({**ROWS[0], "question": [ROWS[0]["question"]]})))
    for data, message in (
        (whole[:-9], "record 1 is cut short"),
        (whole[: first + 5], "record 1 has no valid header"),
        (b"\x01" + whole[1:], "record 0 has no valid header"),
        (record(b"\x0a\x7f"), r"record 0 is no tf\.train\.Example"),
        (record(example({"question": [b"?"]})), "record 0: expected text in 'answer'; found question"),
    ):
        erqa.write_bytes(data)
        with pytest.raises(QAEvalError, match=message):
            find_benchmark("erqa").read(erqa)
    with pytest.raises(QAEvalError, match="no such file"):
        find_benchmark("erqa").read(erqa.with_name("other.tfrecord"))
