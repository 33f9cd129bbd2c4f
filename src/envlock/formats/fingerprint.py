"""Reads and writes fingerprints: canonical JSON in which git shows which probe answers otherwise."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from envlock.errors import UsageError
from envlock.formats.unknowns import plain, record
from envlock.model import records
from envlock.model.numerics import (
    SCHEMA,
    Answer,
    Conditions,
    Device,
    Fingerprint,
    Loaded,
    Numerics,
    Pass,
    Probe,
    Sha256,
    Suite,
)

_LARGEST = 1 << 24
"""A fingerprint of all built-in probes, on a machine with GPUs, has 1.5 MB."""
_CONDITIONS = 1 << 18
_SUITES, _PROBES = 64, 20_000
"""There are six frameworks on two kinds of devices, with fewer than 250 probes each; the project may have its own."""
_WIDTH = 116
_ALIKE = "canonical"
"""Stands for the answer of the configured pass where it is that of the canonical one."""
_ABSENT = msgspec.Raw(b"")
_MAKE = "Make one: envlock fingerprint ENV"


class _Probe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    sensitive: str = ""
    answers: Mapping[Pass, Answer | Literal["canonical"]]


class _Suite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    framework: str
    device: Device = "cpu"
    loaded: Loaded
    version: str = ""
    reason: str = ""
    source: Sha256
    probes: tuple[_Probe, ...] = ()


class _Numerics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    conditions: msgspec.Raw
    suites: tuple[_Suite, ...]


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema: int
    envlock: str
    env: str
    lock: Sha256
    hardware: str
    numerics: _Numerics


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """As much of a JSON object as tells what it is; msgspec skips the rest without keeping any of it."""

    schema: int | None = None
    numerics: msgspec.Raw = _ABSENT
    distributions: msgspec.Raw = _ABSENT
    verdict: msgspec.Raw = _ABSENT


def fingerprint_bytes(fingerprint: Fingerprint) -> bytes:
    """Return the one text of a fingerprint: UTF-8, LF, sorted keys; what is as usual is left out.

    An answer of the configured pass that is the one of the canonical pass is the word `canonical`. What is no text of
    Unicode becomes `?`.
    """
    document = {"schema": SCHEMA, **plain(fingerprint), "numerics": numerics_document(fingerprint.numerics)}
    return (laid_out(document) + "\n").encode(errors="replace")


def numerics_document(numerics: Numerics) -> dict[str, Any]:
    """Return numbers as fingerprints and reports have them, as JSON."""
    document: dict[str, Any] = plain(numerics)
    for suite in document["suites"]:
        for probe in suite.get("probes", ()):
            answers = probe["answers"]
            if "canonical" in answers and answers.get("configured") == answers["canonical"]:
                answers["configured"] = _ALIKE
    return document


def parse_numerics(raw: bytes) -> Numerics:
    """Return what `numerics_document` was given, of its JSON; ValueError, OverflowError or RecursionError."""
    return _numerics(records.from_json(raw, _Numerics))


def read_fingerprint(path: Path) -> Fingerprint:
    """Read a fingerprint.

    Raises UsageError (`no-fingerprint`, `not-a-fingerprint`, `newer-fingerprint`, `damaged-fingerprint`) where the file
    is none.
    """
    try:
        if not (path.is_file() or path.is_dir()) and path.exists():
            raise _no_fingerprint(str(path), "no regular file")  # to open a pipe may take for ever
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(
            "no-fingerprint", f"The fingerprint cannot be read: {error.strerror}.", where=str(path), hint=_MAKE
        ) from None
    return parse_fingerprint(raw, str(path))


def parse_fingerprint(raw: bytes, where: str) -> Fingerprint:
    """Return the fingerprint that some bytes are; `where` is told in errors, which are those of `read_fingerprint`."""
    _check_head(raw, where)
    try:
        file = records.from_json(raw, _File)
        return Fingerprint(
            envlock=file.envlock,
            env=file.env,
            lock=file.lock,
            hardware=file.hardware,
            numerics=_numerics(file.numerics),
        )
    except (ValueError, OverflowError, RecursionError) as error:
        raise UsageError(
            "damaged-fingerprint",
            "The fingerprint holds something else than fingerprints do.",
            where=where,
            expected="docs/schemas/fingerprint-v1.json",
            found=str(error)[:300],
            hint="Take it from git again, or make it again: envlock fingerprint ENV",
        ) from None


def _check_head(raw: bytes, where: str) -> None:
    """Refuse what is no fingerprint, or one of another schema."""
    if len(raw) > _LARGEST:
        raise _no_fingerprint(where, "a file of more than 16 MiB")
    try:
        head = records.from_json(raw, _Head)
    except msgspec.ValidationError as error:
        raise _no_fingerprint(where, f"JSON of another kind ({error})") from None
    except (ValueError, OverflowError, RecursionError):
        is_conflict = raw.startswith(b"<<<<<<< ") or b"\n<<<<<<< " in raw
        found = "an unfinished merge" if is_conflict else "no JSON" if raw.strip() else "an empty file"
        raise _no_fingerprint(where, found) from None
    if head.schema is None or head.numerics == _ABSENT:
        kind = "a report" if head.distributions != _ABSENT else "a verdict" if head.verdict != _ABSENT else ""
        raise _no_fingerprint(where, f"{kind} of envlock" if kind else "another JSON object")
    if head.schema != SCHEMA:
        raise UsageError(
            "newer-fingerprint",
            "This is a fingerprint of another version of envlock.",
            where=where,
            expected=f"schema {SCHEMA}",
            found=f"schema {head.schema}",
            hint="Upgrade envlock here, or make the fingerprint again with this version: envlock fingerprint ENV",
        )


def _no_fingerprint(where: str, found: str) -> UsageError:
    return UsageError(
        "not-a-fingerprint",
        "This is no fingerprint of envlock.",
        where=where,
        expected="what `envlock fingerprint ENV` wrote",
        found=found,
        hint=_MAKE,
    )


def _numerics(found: _Numerics) -> Numerics:
    return Numerics(conditions=_conditions(bytes(found.conditions)), suites=_suites(found.suites))


def _conditions(raw: bytes) -> Conditions:
    if len(raw) > _CONDITIONS:
        raise ValueError("conditions of more than 256 KiB")
    return record(records.from_json(raw, object), Conditions)


def _suites(found: tuple[_Suite, ...]) -> tuple[Suite, ...]:
    if len(found) > _SUITES or sum(len(suite.probes) for suite in found) > _PROBES:
        raise ValueError(f"more than {_SUITES} suites or {_PROBES:,} probes")
    _refuse_twins(Counter(f"{suite.framework} on {suite.device}" for suite in found), "suite")
    return tuple(
        Suite(
            framework=suite.framework,
            device=suite.device,
            loaded=suite.loaded,
            version=suite.version,
            reason=suite.reason,
            source=suite.source,
            probes=_probes(suite.probes),
        )
        for suite in found
    )


def _probes(found: tuple[_Probe, ...]) -> tuple[Probe, ...]:
    _refuse_twins(Counter(probe.name for probe in found), "probe")
    return tuple(
        Probe(name=probe.name, sensitive=probe.sensitive, answers=_answers(probe.name, probe.answers))
        for probe in found
    )


def _answers(name: str, found: Mapping[Pass, Answer | Literal["canonical"]]) -> dict[Pass, Answer]:
    canonical = found.get("canonical")
    answers: dict[Pass, Answer] = {}
    for which, answer in found.items():
        meant = canonical if answer == _ALIKE else answer
        if not isinstance(meant, Answer):
            raise ValueError(f"probe {name}: the {which} answer is that of a canonical pass, and there is none")
        if (meant.status == "ok") != (meant.sha256 is not None):
            raise ValueError(f"probe {name}: an answer has a sha256 where it is ok, and there alone")
        answers[which] = meant
    return answers


def _refuse_twins(names: Counter[str], kind: str) -> None:
    if twice := [name for name, number in names.items() if number > 1]:
        raise ValueError(f"{kind} {twice[0]} is there twice")


def laid_out(value: Any, indent: int = 0) -> str:
    """Return JSON with what fits into a line in one line; so are lists of numbers or words, and samples."""
    line = json.dumps(value, sort_keys=True, ensure_ascii=False)
    if len(line) + indent <= _WIDTH or not value or not isinstance(value, (dict, list)):
        return line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        if "bits" in value:
            return line
        rows = [
            f"{inner}{json.dumps(key, ensure_ascii=False)}: {laid_out(value[key], indent + 2)}" for key in sorted(value)
        ]
        return "\n".join(["{", ",\n".join(rows), " " * indent + "}"])
    if not any(isinstance(each, (dict, list)) for each in value):
        return line
    return "\n".join(["[", ",\n".join(inner + laid_out(each, indent + 2) for each in value), " " * indent + "]"])
