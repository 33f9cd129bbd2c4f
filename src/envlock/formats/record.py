"""Reads an installed RECORD strictly: every byte of it either carries a claim or is reported.

The format is the one of https://packaging.python.org/specifications/recording-installed-packages/ (CSV of path, hash
and size). Rows that are not exactly that are kept as malformed lines instead of being guessed at.
"""

from __future__ import annotations

import base64
import binascii
import csv
import posixpath
import re
from functools import lru_cache

import msgspec

_PLAIN = re.compile(r'([^,"\r]+),([A-Za-z0-9]+=[A-Za-z0-9_=-]+)?,([0-9]*)')
_ALL_PLAIN = re.compile(r'^([^,"\r\n]+),(sha256=[A-Za-z0-9_-]{43})?,([0-9]{0,18})$', re.MULTILINE)
"""The rows of nearly every RECORD, found at once: a line at a time takes five times as long."""
_HASHES = {"sha224", "sha256", "sha384", "sha512"}


class RecordRow(msgspec.Struct, frozen=True, gc=False):
    """One claim: path as written, hash as ``algorithm=base64`` (empty where there is none), size or None."""

    path: str
    hash: str
    size: int | None

    @property
    def sha256(self) -> str | None:
        """The digest as 64 hex digits; None where it is absent or another algorithm's."""
        if not self.hash.startswith("sha256="):
            return None
        text = self.hash[7:].rstrip("=")
        if "+" in text or "/" in text:
            return ""
        common = text.replace("-", "+").replace("_", "/")
        try:
            raw = binascii.a2b_base64(common + "=" * (-len(text) % 4))
        except (binascii.Error, ValueError):
            return ""
        # Encoded again, since other texts than the canonical one decode to the same bytes.
        return raw.hex() if binascii.b2a_base64(raw, newline=False).rstrip(b"=") == common.encode() else ""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed RECORD."""

    rows: tuple[RecordRow, ...]
    malformed: tuple[str, ...] = ()
    """Lines that claim nothing readable."""


def encode_sha256(raw: bytes) -> str:
    """Return a digest as RECORD writes it: urlsafe base64 without padding (PEP 376, PEP 427)."""
    return "sha256=" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def is_hash(text: str) -> bool:
    """Tell whether a hash field names an algorithm that RECORD may use."""
    return text.partition("=")[0] in _HASHES


@lru_cache(maxsize=512)
def parse_record(raw: bytes) -> Record:
    """Parse the bytes of a RECORD; never raises. Remembered, since observing and judging both ask."""
    text = raw.decode("utf-8", "backslashreplace")
    ending = "\r\n" if text.endswith("\r\n") else "\n"
    rows: list[RecordRow] = []
    malformed: list[str] = []
    whole = text.endswith(ending) or not text
    if whole and ending == "\n" and len(plain := _ALL_PLAIN.findall(text)) == text.count("\n"):
        return Record(rows=tuple(RecordRow(path, digest, int(size) if size else None) for path, digest, size in plain))
    lines = _lines(text, ending)
    if whole:
        lines.pop()
    else:
        malformed.append(lines[-1])  # told, and still a claim if it reads as one: virtualenv ends so
    for line in lines:
        match = _PLAIN.fullmatch(line)
        fields = list(match.groups("")) if match else _quoted(line)
        if fields is None or not fields[0] or not (fields[2] == "" or (fields[2].isascii() and fields[2].isdigit())):
            malformed.append(line)
            continue
        if fields[1] and not is_hash(fields[1]):
            malformed.append(line)
            continue
        rows.append(RecordRow(fields[0], fields[1], int(fields[2][:18]) if fields[2] else None))
    return Record(rows=tuple(rows), malformed=tuple(dict.fromkeys(malformed)))


def _lines(text: str, ending: str) -> list[str]:
    """Split a text; LF lines that follow CRLF ones are a tool's that appended them, as virtualenv does to wheel's."""
    head, found, tail = text.rpartition("\r\n")
    if ending == "\n" and found and head.count("\n") == head.count("\r\n"):
        return [*head.split("\r\n"), *tail.split("\n")]
    return text.split(ending)


def _quoted(line: str) -> list[str] | None:
    """Parse a line whose path is quoted, which is the only reason to have quotes at all."""
    if not line.startswith('"'):
        return None
    try:
        parsed = list(csv.reader([line], strict=True))
    except csv.Error:
        return None
    return parsed[0] if len(parsed) == 1 and len(parsed[0]) == 3 else None


def resolve(site: str, path: str) -> str:
    """Return the absolute path that a row names, `..` taken lexically as installers write it."""
    if path[0] not in "./" and not any(part in path for part in ("/.", "//")):
        return f"{site}/{path}"  # nearly all of them, and normpath costs more than all the rest
    return posixpath.normpath(posixpath.join(site, path))
