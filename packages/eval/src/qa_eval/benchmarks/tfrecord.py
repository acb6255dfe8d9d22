"""Read TFRecord files of `tf.train.Example` messages without TensorFlow.

A record is its length (uint64, little-endian), a checksum of the length, the bytes, and a checksum of them; both are
the masked CRC-32C, which tells a truncated or damaged file from a whole one. The bytes are a protobuf message: Example
holds one Features, Features a map of name to Feature, Feature one list of bytes, floats or integers.

References
----------
tensorflow/core/example/example.proto, feature.proto; tensorflow/core/lib/io/record_writer
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qa_eval.errors import QAEvalError

Value = list[bytes] | list[float] | list[int]

POLYNOMIAL = 0x82F63B78
"""CRC-32C (Castagnoli), reflected."""
MASK = 0xA282EAD8


def read_examples(path: Path) -> Iterator[dict[str, Value]]:
    """Read one Example after another, as feature name to values.

    Raises
    ------
    QAEvalError
        The file is cut short or damaged; the message names the record.
    """
    with Path(path).open("rb") as stream:
        number = 0
        while header := stream.read(12):
            where = f"{path}: record {number}"
            if len(header) < 12 or _masked(header[:8]) != struct.unpack("<I", header[8:])[0]:
                raise QAEvalError(f"{where} has no valid header; the file is no TFRecord, or is damaged.")
            size = struct.unpack("<Q", header[:8])[0]
            data, check = stream.read(size), stream.read(4)
            # The checksum of the content is that of megabytes of images; only the length is compared.
            if len(data) < size or len(check) < 4:
                raise QAEvalError(f"{where} is cut short; download the file again.")
            try:
                yield read_example(data)
            except (IndexError, ValueError, struct.error) as error:
                raise QAEvalError(f"{where} is no tf.train.Example ({error}).") from error
            number += 1


def read_example(data: bytes) -> dict[str, Value]:
    r"""Read one `tf.train.Example` message.

    Examples
    --------
    >>> read_example(b"\x0a\x0b\x0a\x09\x0a\x01n\x12\x04\x1a\x02\x08\x05")
    {'n': [5]}
    """
    found: dict[str, Value] = {}
    for features in _messages(data, 1):
        for entry in _messages(features, 1):
            name = b"".join(_messages(entry, 1)).decode()
            feature = b"".join(_messages(entry, 2))
            found[name] = _values(feature)
    return found


def _values(feature: bytes) -> Value:
    """Read the one list that a Feature holds; an empty Feature is an empty list."""
    for number, value in _fields(feature):
        if not isinstance(value, bytes):
            raise ValueError(f"field {number} of a Feature is no list")
        if number == 1:
            return list(_messages(value, 1))
        # Numbers are packed into one field, or repeated.
        if number == 2:
            packed = b"".join(part for _, part in _fields(value) if isinstance(part, bytes))
            return [float(x) for x in np.frombuffer(packed, dtype="<f4")]
        if number == 3:
            integers: list[int] = []
            for _, part in _fields(value):
                integers += _varints(part) if isinstance(part, bytes) else [part]
            return [_signed(x) for x in integers]
    return []


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Split a message into (field number, content): bytes of a length, or of a fixed width, or an integer."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at + size > len(data):
            raise ValueError("a field is longer than its message")
        yield key >> 3, data[at : at + size]
        at += size


def _messages(data: bytes, number: int) -> Iterator[bytes]:
    """Yield the contents of one field that holds bytes."""
    for found, value in _fields(data):
        if found == number and isinstance(value, bytes):
            yield value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read an integer of variable length: its value, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("an integer is too long")


def _varints(data: bytes) -> list[int]:
    values, at = [], 0
    while at < len(data):
        value, at = _varint(data, at)
        values.append(value)
    return values


def _signed(value: int) -> int:
    """Read 64 bits as a signed integer."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _table() -> NDArray[np.uint32]:
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, (values >> 1) ^ np.uint32(POLYNOMIAL), values >> 1)
    return values


CRC_TABLE = _table()


def _masked(data: bytes) -> int:
    """Masked CRC-32C of a few bytes."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = int(CRC_TABLE[(crc ^ byte) & 0xFF]) ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + MASK) & 0xFFFFFFFF
