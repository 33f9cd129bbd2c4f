"""Reads and writes reports: canonical JSON with its own digest, a line for each distribution."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from envlock.errors import UsageError
from envlock.formats.fingerprint import laid_out, numerics_document, parse_numerics
from envlock.formats.unknowns import plain, record
from envlock.model import records
from envlock.model.numerics import Numerics
from envlock.model.report import SCHEMA, Report

_LARGEST = 1 << 24
"""A report of 1,000 distributions has 400 kB, and the answers of all probes have 1.5 MB."""


def report_bytes(report: Report) -> bytes:
    """Return the one text of a report: UTF-8, LF, sorted keys.

    ``digest`` is the sha256 of all else as JSON with sorted keys and no spaces: an edit by accident shows, which is no
    protection against one on purpose.
    """
    document = {"schema": SCHEMA, **plain(report)}
    if isinstance(report.numerics, Numerics):
        document["numerics"] = numerics_document(report.numerics)
    document["digest"] = _digest(document)
    lines = []
    for key, value in sorted(document.items()):
        if isinstance(value, list) and value:
            rows = ",\n".join("    " + _line(row) for row in value)
            lines.append(f"  {_line(key)}: [\n{rows}\n  ]")
        else:
            lines.append(f"  {_line(key)}: {laid_out(value, 2)}")
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def read_report(path: Path) -> Report:
    """Read a report; UsageError (`no-report`, `not-a-report`, `newer-report`, `damaged-report`) where it is none."""
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(
            "no-report",
            f"The report cannot be read: {error.strerror}.",
            where=str(path),
            hint="Make one: envlock report -o FILE",
        ) from None
    return parse_report(raw, str(path))


def parse_report(raw: bytes, where: str) -> Report:
    """Return the report that some bytes are; `where` is told in errors, which are those of `read_report`."""
    document = _document(raw, where)
    schema = document.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise UsageError(
            "newer-report",
            "This is a report of a newer envlock.",
            where=where,
            expected=f"schema {SCHEMA}",
            found=f"schema {schema}",
            hint="Upgrade envlock here, or make the report again with this version.",
        )
    if schema != SCHEMA or isinstance(schema, bool) or "distributions" not in document:
        raise _no_report(where, _kind_of(document))
    stated = document.pop("digest", None)
    found = _digest(document)
    if stated != found:
        raise UsageError(
            "damaged-report",
            "The report is not as envlock wrote it: something in it was changed or lost.",
            where=where,
            expected=f"digest {stated}" if isinstance(stated, str) else "a digest",
            found=f"digest {found}",
            hint="Have it sent again, as a file, or made again: envlock report -o FILE",
        )
    try:
        numbers = document.pop("numerics", None) if _has_numbers(document) else None
        report = record(document, Report)
        if numbers is None:
            return report
        return msgspec.structs.replace(report, numerics=_numbers(msgspec.json.encode(numbers)))
    except (msgspec.ValidationError, ValueError, OverflowError, RecursionError) as error:
        raise UsageError(
            "damaged-report",
            "The report holds something else than reports do.",
            where=where,
            expected="docs/schemas/report-v1.json",
            found=str(error)[:300],
            hint="Make it again: envlock report -o FILE",
        ) from None


@lru_cache(maxsize=32)
def _numbers(raw: bytes) -> Numerics:
    """Return numbers, one record for all reports with the same: alike machines of a team answer alike."""
    return parse_numerics(raw)


def _has_numbers(document: Mapping[str, Any]) -> bool:
    found = document.get("numerics")
    return isinstance(found, dict) and "unknown" not in found


def _document(raw: bytes, where: str) -> dict[str, Any]:
    if len(raw) > _LARGEST:
        raise _no_report(where, "a file of more than 16 MiB")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UsageError(
            "not-a-report",
            "The report was written as UTF-16, most likely by a shell that changes what is redirected.",
            where=where,
            expected="UTF-8",
            hint="Let envlock write the file: envlock report -o FILE",
        )
    try:
        document = records.from_json(raw.removeprefix(b"\xef\xbb\xbf"), object)
    except (msgspec.DecodeError, ValueError, RecursionError):
        lock = b"\nlock-version = " in raw[:1000]
        raise _no_report(where, "a lock" if lock else "no JSON" if raw.strip() else "an empty file") from None
    if not isinstance(document, dict):
        raise _no_report(where, f"JSON of another kind ({type(document).__name__})")
    return document


def _no_report(where: str, found: str) -> UsageError:
    return UsageError(
        "not-a-report",
        "This is no report of envlock.",
        where=where,
        expected="what `envlock report -o FILE` wrote",
        found=found,
        hint="Make one on the machine in question: envlock report -o FILE",
    )


def _kind_of(document: Mapping[str, Any]) -> str:
    """Say what a JSON object is, where somebody took another output of envlock for a report."""
    if "verdict" in document:
        return "a verdict of `envlock verify --json`"
    if "disagreements" in document:
        return "a comparison of `envlock compare --json`"
    schema = document.get("schema")
    return f"schema {json.dumps(schema)[:40]}" if "distributions" in document else "another JSON object"


def _digest(document: Mapping[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()


def _line(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
