"""What a process of probes tells, line by line: an environment may write anything where answers are expected."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Collection, Iterable
from typing import Literal

import msgspec

from envlock.model import records
from envlock.model.numerics import Answer, ProbeEnd, Sample, Sha256
from envlock.model.redaction import redacted

WROTE = "it wrote where answers are expected"
_NO_CHANNEL = 70
"""The status of a process of probes whose answers have nowhere to go."""
_NAME = re.compile(r"[\w.-]{1,100}")
_VERSION = re.compile(r"[\w.+!-]{0,60}")
_DTYPE = re.compile(r"[<|]?[a-zA-Z]\w{0,30}(\[\w{1,8}\])?")
_SAMPLES, _BITS = 32, 4096
_STAMP = re.compile(r"^(\d{4}-\d\d-\d\d[ T][\d:.,]+|[A-Z]\d{4} [\d:.]+ +\d+)[: ]*")
"""What frameworks begin messages with: the time, which makes equal messages differ."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_MEMORY = re.compile(r"\b0x[0-9a-fA-F]{4,}")


class Described(msgspec.Struct, frozen=True):
    """What a suite says of itself once its framework is loaded."""

    version: str
    probes: tuple[tuple[str, str], ...]
    """Each with what it is sensitive to."""


class Failed(msgspec.Struct, frozen=True):
    """Why a framework is not loaded."""

    kind: Literal["missing", "import-failed"]
    reason: str


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What data/in_target/probe.py tells in one line."""

    started: bool = False
    loading: bool = False
    loaded: Described | None = None
    failed: Failed | None = None
    begin: str = ""
    again: str = ""
    answer: str = ""
    status: Literal["ok", "noisy", "raised", "unhashable"] = "raised"
    sha256: Sha256 | None = None
    samples: tuple[Sample, ...] = ()
    reason: str = ""
    end: bool = False


def fit_to_keep(text: str, names: Iterable[str]) -> str:
    """Return what a target said without what is private, `names` are, and without what is another at each run."""
    text = _STAMP.sub("", _COLOUR.sub("", text[:2000]))
    return _MEMORY.sub("0x", redacted(text, names))[:300]


class Telling:
    """What one process has told so far.

    Args:
        named: probes that may be called anything, since the manifest names them so.
        answers: of earlier processes; those of this one are added.
        keep: `fit_to_keep` for the names of this machine and its user.
        loaded: called with the number of probes, when it is known.
        answered: called after each answer.
    """

    def __init__(
        self,
        named: Collection[str],
        answers: dict[str, Answer],
        keep: Callable[[str], str],
        loaded: Callable[[int], None],
        answered: Callable[[], None],
    ) -> None:
        self.started = self.over = self.spoiled = False
        self.described: Described | None = None
        self.failed: Failed | None = None
        self.begun = ""
        """The probe that was called and has not answered."""
        self._named = named
        self._answers = answers
        self._keep = keep
        self._loaded = loaded
        self._answered = answered
        self._asked: frozenset[str] = frozenset()

    def told(self, raw: bytes) -> None:
        """Take a line."""
        try:
            line = records.from_json(raw, _Line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            line = _Line()
        if not self.started:
            self.started = line.started  # before, a sitecustomize may have printed anything
        elif line.loading:
            pass
        elif self.described is None:
            self._load(line)
        elif line.begin and not self.begun and line.begin in self._asked and line.begin not in self._answers:
            self.begun = line.begin
        elif line.answer and line.answer == self.begun:
            self._answers.setdefault(self.begun, self._answer(line))
            self.begun = ""
            self._answered()
        elif line.end:
            self.over = True
            self._spoil()
        elif not (line.again and line.again == self.begun):
            self._spoil()

    def _load(self, line: _Line) -> None:
        told = line.loaded
        if line.failed is not None:
            self.failed = line.failed
        elif told is not None and all(name in self._named or _NAME.fullmatch(name) for name, _ in told.probes):
            probes = tuple((name, self._keep(sensitive)) for name, sensitive in told.probes)
            version = told.version if _VERSION.fullmatch(told.version) else self._keep(told.version)[:60]
            self.described = Described(version, probes)
            self._asked = frozenset(name for name, _ in probes)
            self._loaded(len(probes))
        else:
            self._spoil()

    def _answer(self, line: _Line) -> Answer:
        if line.status != "ok":
            return Answer(status=line.status, reason=self._keep(line.reason))
        bits = sum(len(sample.bits) for sample in line.samples)
        fair = len(line.samples) <= _SAMPLES and bits <= _BITS and all(_DTYPE.fullmatch(s.dtype) for s in line.samples)
        if line.sha256 is None or not fair:
            return Answer(status="raised", reason="its answer cannot be read")
        return Answer(status="ok", sha256=line.sha256, samples=line.samples)

    def _spoil(self) -> None:
        self.spoiled = True
        if self.begun:
            self._answers[self.begun] = Answer(status="raised", reason=WROTE)


def ended_by(end: ProbeEnd, patience: float, keep: Callable[[str], str]) -> Answer:
    """Return the answer of a probe whose process ended."""
    if end.status is None:
        return Answer(status="hung", reason=f"it said nothing for {patience:g} s")
    if end.status == _NO_CHANNEL:
        return Answer(status="crashed", reason="it closed what its answer would have gone through")
    if end.status >= 0:
        return Answer(status="crashed", reason=f"it ended its process with status {end.status}")
    try:
        name = signal.Signals(-end.status).name
    except ValueError:
        name = f"signal {-end.status}"
    why = {"SIGKILL": "out of memory?", "SIGABRT": keep(end.said)}.get(name, "")
    return Answer(status="crashed", reason=f"its process was ended by {name}" + (f" ({why})" if why else ""))
