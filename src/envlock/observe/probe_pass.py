"""Runs a suite of probes in one pass: a process, and another one after each crash, until every probe has an answer."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files as resources
from typing import Self

import msgspec

from envlock.model.edges import NoProgress, Probing, Progress, Task
from envlock.model.number_words import title_of
from envlock.model.numerics import PROJECT, Answer, Loaded, Pass, ProbeEnd
from envlock.model.passes import PassSettings
from envlock.observe.probe_lines import WROTE, Described, Telling, ended_by, fit_to_keep
from envlock.observe.probe_sources import Source

UNWATCHED = NoProgress()
PATIENCE = 60.0
"""Seconds that each call of a probe may take."""
_LOADING = 4
"""How many times that long a framework may take to be imported: from a cold network disk it is minutes."""
_CRASHES = 12
"""After so many a suite is given up: each costs another start of the framework."""
_HANGS = 2
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
    hashes_vary = settings.variables.get("PYTHONHASHSEED") in (None, "", "random")
    apart = source.framework == PROJECT and which == "configured" and hashes_vary

    asking = _Asking(
        place=place,
        source=source,
        which=which,
        settings=settings,
        times=1 if apart else 2,
        patience=patience,
        names=tuple(names),
    )
    with _Shown(progress, source, which) as shown:
        result = asking.ask(only, shown)
    steady = [name for name, answer in result.answers.items() if answer.status == "ok"]
    if not apart or not steady:
        return result
    with _Shown(progress, source, which) as shown:
        return _compared(result, asking.ask(steady, shown))


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

    def __init__(self, progress: Progress, source: Source, which: Pass) -> None:
        self._progress = progress
        self._text = title_of(source.framework, source.device, which)
        self._open = contextlib.ExitStack()
        self._task: Task | None = None

    def __enter__(self) -> Self:
        self._open.enter_context(self._progress.task(f"{self._text}, starting"))
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


@dataclass(frozen=True, kw_only=True)
class _Asking:
    """How a suite is asked in a pass."""

    place: Probing
    source: Source
    which: Pass
    settings: PassSettings
    times: int
    """How often each probe is called in its process."""
    patience: float
    names: tuple[str, ...]

    def ask(self, only: Collection[str] | None, shown: _Shown) -> PassResult:
        """Start processes until each probe has an answer."""
        answers: dict[str, Answer] = {}
        variables = _variables(self.settings.variables, self.source)
        described: Described | None = None
        crashes = hangs = 0
        while True:
            telling = Telling(self.source.targets, answers, self._keep, shown.total, shown.advance)
            script = self._script(only, sorted(answers))
            end = self.place.run(script, variables, telling.told, patience=self.patience)
            described = described or telling.described
            if described is None:
                return self._not_loaded(telling, end)
            left = [name for name, _ in described.probes if name not in answers]
            rest = Answer(status="raised", reason="it was not asked")
            if telling.over or not (left or telling.begun):
                break
            rest = ended_by(end, self.patience, self._keep)
            answers[telling.begun or left[0]] = rest  # also where it ended by what an earlier probe left behind
            shown.advance()
            hangs, crashes = hangs + (rest.status == "hung"), crashes + (rest.status == "crashed")
            if telling.described is None or hangs >= _HANGS or crashes >= _CRASHES:
                rest = Answer(status=rest.status, reason=f"not asked after {hangs + crashes} others: {rest.reason}")
                break
            if answers.keys() >= {name for name, _ in described.probes}:
                break
        probes = dict(described.probes)
        return PassResult(
            loaded="ok",
            version=described.version,
            probes=probes,
            answers={name: answers.get(name, rest) for name in probes},
        )

    def _script(self, only: Collection[str] | None, skip: Sequence[str]) -> bytes:
        plan = {
            "suite": self.source.text,
            "module": self.source.module,
            "pass": self.which,
            "device": self.source.device,
            "threads": self.settings.threads,
            "times": self.times,
            "loading": (_LOADING - 1, self.patience / 2),
            "only": None if only is None else sorted(only),
            "skip": skip,
            "targets": dict(self.source.targets),
            "folder": self.source.folder,
        }
        runner = (resources("envlock") / "data/in_target/probe.py").read_bytes()
        return f"PLAN = {plan!a}\n".encode("ascii") + runner

    def _not_loaded(self, telling: Telling, end: ProbeEnd) -> PassResult:
        if telling.failed is not None:
            return PassResult(loaded=telling.failed.kind, reason=self._keep(telling.failed.reason))
        if telling.spoiled:
            return PassResult(loaded="import-failed", reason=WROTE)
        where = "importing it" if telling.started else "starting Python"
        if end.status is None:
            return PassResult(loaded="hung", reason=f"{where} did not come to an end")
        ended, said = ended_by(end, self.patience, self._keep).reason, self._keep(end.said)
        more = f": {said}" if said and said not in ended else ""
        return PassResult(loaded="crashed", reason=f"{where}: {ended}{more}")

    def _keep(self, text: str) -> str:
        return fit_to_keep(text, self.names)


def _variables(variables: Mapping[str, str], source: Source) -> dict[str, str]:
    """Return the variables of a process: for suites of ours without what leads to a user's own files."""
    if source.targets:
        return dict(variables)  # the project's data may be there
    kept = {name: value for name, value in variables.items() if name not in _PERSONAL}
    if source.device == "gpu" and "HOME" in variables:
        # Kernels of older CUDA are compiled for newer GPUs, in minutes: the driver keeps them by their sources.
        kept.setdefault("CUDA_CACHE_PATH", f"{variables['HOME']}/.nv/ComputeCache")
    return kept
