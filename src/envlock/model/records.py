"""Documents become records here, and nowhere else: msgspec learns a type once, and never in two threads.

msgspec (0.22) publishes what it knows of a Struct before it has filled it in, since records can name themselves; a
second thread that decodes the same type, or one that holds it, at that moment ends the process with a segmentation
fault. So the first reading of every type happens under one lock.
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

_Value = TypeVar("_Value")
_known: set[Any] = set()
_learning = threading.Lock()


def convert(value: Any, kind: type[_Value]) -> _Value:
    """Return a value of plain dicts, lists and scalars as a record; raises ``msgspec.ValidationError``."""
    _learn(kind)
    return msgspec.convert(value, kind)


def from_json(raw: bytes | str, kind: type[_Value]) -> _Value:
    """Return JSON as a record; raises ``msgspec.DecodeError``, ``ValueError`` or ``RecursionError``."""
    _learn(kind)
    return msgspec.json.decode(raw, type=kind)


def from_toml(raw: bytes, kind: type[_Value]) -> _Value:
    """Return TOML as a record; raises ``msgspec.DecodeError``."""
    _learn(kind)
    return msgspec.toml.decode(raw, type=kind)


def _learn(kind: Any) -> None:
    if kind in _known:
        return
    with _learning:
        msgspec.json.Decoder(kind)
        _known.add(kind)
