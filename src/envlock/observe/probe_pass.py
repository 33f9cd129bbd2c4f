"""Runs a suite of probes in one pass: a process, and another one after each crash, until every probe has an answer."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Callable, Collection, Iterable, Mapping
from importlib.resources import files as resources
from typing import Literal, Self

import msgspec

from envlock.model import records
from envlock.model.edges import NoProgress, Probing, Progress, Task
from envlock.model.numerics import Answer, Loaded, Pass, ProbeEnd, Sample, Sha256
from envlock.model.passes import PassSettings
from envlock.model.redaction import redacted
from envlock.observe.probe_sources import PROJECT, Source

UNWATCHED = NoProgress()
PATIENCE = 60.0
"""Seconds that a framework may take to be imported, and each call of a probe."""
_CRASHES = 12
"""After so many a suite is given up: each costs another start of the framework."""
_HANGS = 2
_NO_CHANNEL = 70
"""The status of a process of probes whose answers have nowhere to go."""
_NAME = re.compile(r"[\w.-]{1,100}")
_VERSION = re.compile(r"[\w.+!-]{0,60}")
_DTYPE = re.compile(r"[<|]?[a-zA-Z]\w{0,30}(\[\w{1,8}\])?")
_SAMPLES, _BITS = 32, 4096
_STAMP = re.compile(r"^\S?\d{4}-?\d\d-?\d\d[ T][\d:.,]+:? *")
"""What frameworks begin messages with: the time, which makes equal messages differ."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_MEMORY = re.compile(r"\b0x[0-9a-fA-F]{4,}")
_PERSONAL = (
    "HOME",
    "USERPROFILE",
    "APPDATA",
    "LOCALAPPDATA",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "JAX_COMPILATION_CACHE_DIR",
    "JUPYTER_CONFIG_DIR",
    "KERAS_HOME",
    "MIOPEN_USER_DB_PATH",
    "MPLCONFIGDIR",
    "NUMBA_CACHE_DIR",
    "TORCHINDUCTOR_CACHE_DIR",
    "TORCH_HOME",
    "TRITON_CACHE_DIR",
)
"""Where a user's own files are found, and code that was compiled at another time."""


class PassResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one pass of a suite gave."""

    loaded: Loaded
    version: str = ""
    reason: str = ""
    """Why it was not loaded."""
    probes: Mapping[str, str] = {}
    """To what each is sensitive, by name, in the order in which they ran."""
    answers: Mapping[str, Answer] = {}
    """Of all of them."""


class _Described(msgspec.Struct, frozen=True):
    version: str
    probes: tuple[tuple[str, str], ...]


class _Failed(msgspec.Struct, frozen=True):
    kind: Literal["missing", "import-failed"]
    reason: str


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What data/in_target/probe.py tells in one line."""

    started: bool = False
    loaded: _Described | None = None
    failed: _Failed | None = None
    begin: str = ""
    again: str = ""
    answer: str = ""
    status: Literal["ok", "noisy", "raised", "unhashable"] = "raised"
    sha256: Sha256 | None = None
    samples: tuple[Sample, ...] = ()
    reason: str = ""
    end: bool = False


def run_pass(
    place: Probing,
    source: Source,
    which: Pass,
    settings: PassSettings,
    *,
    only: Collection[str] | None = None,
    progress: Progress = UNWATCHED,
    patience: float = PATIENCE,
    names: Iterable[str] = (),
) -> PassResult:
    """Run a suite in one pass; what became of each probe is its answer.

    A probe is called twice in its process. The project's own, as they are configured, are called in two processes
    instead where the order of sets is drawn anew for each: their results may depend on it, and are then noise.

    Args:
        only: names of the probes to ask, None for all.
        patience: see `PATIENCE`.
        names: of this machine and its user, which no reason shall tell.

    Raises UnverifiableError (`interpreter-failed`) where no process could be started at all.
    """
    private = tuple(names)
    hashes_vary = settings.variables.get("PYTHONHASHSEED") in (None, "", "random")
    apart = source.framework == PROJECT and which == "configured" and hashes_vary

    def run(only: Collection[str] | None) -> PassResult:
        with _Shown(progress, source.framework, which) as shown:
            conversation = _Conversation(source, which, settings, 1 if apart else 2, patience, private, shown)
            return conversation.run(place, only)

    result = run(only)
    steady = {name for name, answer in result.answers.items() if answer.status == "ok"}
    return _compared(result, run(steady)) if apart and steady else result


def _compared(first: PassResult, second: PassResult) -> PassResult:
    """Return a result in which probes that answered otherwise in a second process are noisy, or what they were then."""
    noisy = Answer(status="noisy", reason="two processes differ")
    lost = Answer(status="noisy", reason=f"a second process gave no answer: {second.reason}")
    answers = {
        name: answer
        if answer.status != "ok" or (again := second.answers.get(name, lost)) == answer
        else (noisy if again.status == "ok" else again)
        for name, answer in first.answers.items()
    }
    return msgspec.structs.replace(first, answers=answers)


class _Shown:
    """Progress of a pass: first that it starts, then how many probes have answered."""

    def __init__(self, progress: Progress, framework: str, which: Pass) -> None:
        self._progress = progress
        self._text = f"{framework}, {which}"
        self._open = contextlib.ExitStack()
        self._task: Task | None = None

    def __enter__(self) -> Self:
        self._open.enter_context(self._progress.task(f"{self._text}: starting"))
        return self

    def __exit__(self, *exception: object) -> None:
        self._open.close()

    def total(self, count: int) -> None:
        """Say how many probes there are."""
        if self._task is None:
            self._open.close()
            self._task = self._open.enter_context(self._progress.task(self._text, count))

    def advance(self) -> None:
        """Say that one more has answered."""
        if self._task is not None:
            self._task.advance()


class _Conversation:
    """The processes of a pass, one after the other."""

    def __init__(
        self,
        source: Source,
        which: Pass,
        settings: PassSettings,
        times: int,
        patience: float,
        names: tuple[str, ...],
        shown: _Shown,
    ) -> None:
        self._source = source
        self._which = which
        self._settings = settings
        self._times = times
        self._patience = patience
        self._names = names
        self._shown = shown
        self._answers: dict[str, Answer] = {}

    def run(self, place: Probing, only: Collection[str] | None) -> PassResult:
        variables = _variables(self._settings.variables, self._source)
        described: _Described | None = None
        crashes = hangs = 0
        while True:
            process = _Process(self._source.targets, self._answers, self._shown, self._said)
            end = place.run(self._script(only), variables, process.told, patience=self._patience)
            if described is None:
                described = process.described
            if described is None:
                return self._not_loaded(process, end)
            rest = Answer(status="raised", reason="it was not asked")
            left = self._left(described)
            if process.over or not (left or process.begun):
                break
            rest = self._ended_by(end)
            self._answers[process.begun or left[0]] = rest  # also where it ended by what an earlier probe left behind
            self._shown.advance()
            hangs, crashes = hangs + (rest.status == "hung"), crashes + (rest.status == "crashed")
            if process.described is None or hangs >= _HANGS or crashes >= _CRASHES:
                rest = Answer(status=rest.status, reason=f"not asked after {hangs + crashes} others: {rest.reason}")
                break
            if not self._left(described):
                break
        probes = dict(described.probes)
        return PassResult(
            loaded="ok",
            version=described.version,
            probes=probes,
            answers={name: self._answers.get(name, rest) for name in probes},
        )

    def _left(self, described: _Described) -> list[str]:
        return [name for name, _ in described.probes if name not in self._answers]

    def _script(self, only: Collection[str] | None) -> bytes:
        source = self._source
        plan = {
            "suite": source.text,
            "module": source.module,
            "pass": self._which,
            "device": source.device,
            "threads": self._settings.threads,
            "times": self._times,
            "only": None if only is None else sorted(only),
            "skip": sorted(self._answers),
            "targets": dict(source.targets),
            "folder": source.folder,
        }
        runner = (resources("envlock") / "data/in_target/probe.py").read_bytes()
        return f"PLAN = {plan!a}\n".encode("ascii") + runner

    def _not_loaded(self, process: _Process, end: ProbeEnd) -> PassResult:
        if process.failed is not None:
            return PassResult(loaded=process.failed.kind, reason=self._said(process.failed.reason))
        if process.spoiled:
            return PassResult(loaded="import-failed", reason="it wrote where answers are expected")
        ended = self._ended_by(end)
        where = "importing it" if process.started else "starting Python"
        said = self._said(_STAMP.sub("", end.said)) if end.status is not None else ""
        reason = ended.reason if not said or said in ended.reason else f"{ended.reason}: {said}"
        return PassResult(loaded="hung" if ended.status == "hung" else "crashed", reason=f"{where}: {reason}")

    def _ended_by(self, end: ProbeEnd) -> Answer:
        if end.status is None:
            return Answer(status="hung", reason=f"it said nothing for {self._patience:g} s")
        if end.status >= 0:
            if end.status == _NO_CHANNEL:
                return Answer(status="crashed", reason="it closed what its answer would have gone through")
            return Answer(status="crashed", reason=f"it ended its process with status {end.status}")
        try:
            name = signal.Signals(-end.status).name
        except ValueError:
            name = f"signal {-end.status}"
        why = {"SIGKILL": "out of memory?", "SIGABRT": self._said(_STAMP.sub("", end.said))}.get(name, "")
        return Answer(status="crashed", reason=f"its process was ended by {name}" + (f" ({why})" if why else ""))

    def _said(self, text: str) -> str:
        """Return what a target said without what is private, and without what is another at each run."""
        return _MEMORY.sub("0x", redacted(_COLOUR.sub("", text[:2000]), self._names))[:300]


class _Process:
    """What one process of probes tells, line by line; a hostile one may tell anything."""

    def __init__(
        self, named: Collection[str], answers: dict[str, Answer], shown: _Shown, said: Callable[[str], str]
    ) -> None:
        self.started = self.over = self.spoiled = False
        self.described: _Described | None = None
        self.failed: _Failed | None = None
        self.begun = ""
        """The probe that was called and has not answered."""
        self._named = named
        self._answers = answers
        self._shown = shown
        self._said = said
        self._asked: frozenset[str] = frozenset()

    def told(self, raw: bytes) -> None:
        """Take a line."""
        try:
            line = records.from_json(raw, _Line)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            line = _Line()
        if not self.started:
            self.started = line.started  # before, a sitecustomize may have printed anything
        elif self.described is None:
            self._load(line)
        elif line.begin and not self.begun and line.begin in self._asked and line.begin not in self._answers:
            self.begun = line.begin
        elif line.answer and line.answer == self.begun:
            self._answers.setdefault(self.begun, self._answer(line))
            self.begun = ""
            self._shown.advance()
        elif line.end:
            self.over = True
            self._spoil()
        elif not (line.again and line.again == self.begun):
            self._spoil()

    def _load(self, line: _Line) -> None:
        if line.failed is not None:
            self.failed = line.failed
        elif line.loaded is not None and all(
            name in self._named or _NAME.fullmatch(name) for name, _ in line.loaded.probes
        ):
            told = line.loaded
            probes = tuple((name, self._said(sensitive)) for name, sensitive in told.probes)
            version = told.version if _VERSION.fullmatch(told.version) else self._said(told.version)[:60]
            self.described = _Described(version, probes)
            self._asked = frozenset(name for name, _ in probes)
            self._shown.total(len(probes))
        else:
            self._spoil()

    def _answer(self, line: _Line) -> Answer:
        if line.status != "ok":
            return Answer(status=line.status, reason=self._said(line.reason))
        bits = sum(len(sample.bits) for sample in line.samples)
        fair = len(line.samples) <= _SAMPLES and bits <= _BITS and all(_DTYPE.fullmatch(s.dtype) for s in line.samples)
        if line.sha256 is None or not fair:
            return Answer(status="raised", reason="its answer cannot be read")
        return Answer(status="ok", sha256=line.sha256, samples=line.samples)

    def _spoil(self) -> None:
        self.spoiled = True
        if self.begun:
            self._answers[self.begun] = Answer(status="raised", reason="it wrote where answers are expected")


def _variables(variables: Mapping[str, str], source: Source) -> dict[str, str]:
    """Return the variables of a process: for suites of ours without what leads to a user's own files."""
    if source.targets:
        return dict(variables)  # the project's data may be there
    kept = {name: value for name, value in variables.items() if name not in _PERSONAL}
    if source.device == "gpu" and "HOME" in variables:
        # Kernels of older CUDA are compiled for newer GPUs, in minutes: the driver keeps them by their sources.
        kept.setdefault("CUDA_CACHE_PATH", f"{variables['HOME']}/.nv/ComputeCache")
    return kept
