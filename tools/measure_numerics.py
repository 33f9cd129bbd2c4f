"""Compares numbers of releases, settings and numbers of threads with envlock's own probes: docs/numerics-measured.md.

    tools/measure_numerics.py --folder SCRATCH [--only NAME …] [--kept] [--page FILE] [--json FILE] [--rows]

The environments and pairs stand in tools/measure_numerics.toml. Environments are made in the folder by uv and kept, and
so is what each run of a suite gave, by the digest of the suite: a second call measures what is new.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace
from uv import find_uv_bin

from envlock.adapters.machine import observe_machine
from envlock.adapters.probing import PythonProbing
from envlock.errors import EnvlockError
from envlock.model import records
from envlock.model.machine import Cpu, Machine
from envlock.model.number_words import listed, short_name
from envlock.model.numbers import Row
from envlock.model.numerics import Conditions, Numerics, Suite
from envlock.model.passes import canonical, changed
from envlock.model.records import from_json
from envlock.observe.numerics import Source, run_suite, sources_for
from envlock.verify.numbers import compare

ROOT = Path(__file__).resolve().parent.parent
NOT_KEPT = "not measured yet"
NEAR = 4
"""ULPs up to which results count as near, as verify does by default."""
DIFFERING = ("diverged", "near", "crashed", "raised", "noisy")
_NAMED = 12
_FRESH = {"PATH": os.defpath, "LANG": "C.UTF-8"}


class Made(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """An environment: CPython of a minor version, and exact pins."""

    python: str
    packages: tuple[str, ...]
    as_of: str = ""
    """What they depend on is of this day."""


class Side(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run of a suite."""

    environment: str
    variables: Mapping[str, str] = {}
    threads: int | None = None


class Compared(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two runs of a framework's suite to compare."""

    framework: str
    before: Side
    after: Side


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it."""

    environments: Mapping[str, Made]
    pairs: tuple[Compared, ...]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a pair gave; or why it gave nothing."""

    framework: str
    before: str
    after: str
    changed: str
    """What differs between both: `release`, `Python`, `threads`, a variable; `again` where nothing does."""
    probes: int = 0
    rows: tuple[Row, ...] = ()
    """Of the probes that differ, the furthest first."""
    problem: str = ""


def main() -> int:
    """Measure, write what was asked for, and return 1 where some pair could not be measured."""
    arguments = _arguments()
    plan = records.from_toml(arguments.plan.read_bytes(), Plan)
    machine = observe_machine()
    runs = Runs(plan, arguments.folder, machine, only_kept=arguments.kept)
    results = []
    for pair in plan.pairs:
        if arguments.only and not any(word in (pair.framework, *_environments(pair)) for word in arguments.only):
            continue
        result = runs.compare(pair)
        if result.problem == NOT_KEPT:
            continue
        results.append(result)
        sys.stderr.write(f"{result.framework}: {result.before} → {result.after}: {_outcome(result)}\n")
    if arguments.page:
        arguments.page.write_text(page(results, machine), "utf-8")
    if arguments.json:
        arguments.json.write_text(json.dumps(msgspec.to_builtins(results), indent=1) + "\n", "utf-8")
    if arguments.rows:
        sys.stdout.write("\n".join(toml_rows(results)))
    return int(any(result.problem for result in results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="where environments and results are kept")
    parser.add_argument("--plan", type=Path, default=ROOT / "tools/measure_numerics.toml")
    parser.add_argument("--only", nargs="*", default=(), help="frameworks or environments")
    parser.add_argument("--kept", action="store_true", help="measure nothing: tell what is kept, of older suites too")
    parser.add_argument("--page", type=Path, help="write tables in Markdown")
    parser.add_argument("--json", type=Path, help="write everything")
    parser.add_argument("--rows", action="store_true", help="print rows for data/changes")
    return parser.parse_args()


def _environments(pair: Compared) -> tuple[str, str]:
    return pair.before.environment, pair.after.environment


class Runs:
    """Runs of suites, made once and kept."""

    def __init__(self, plan: Plan, folder: Path, machine: Machine, *, only_kept: bool) -> None:
        self._plan = plan
        # Read once: a suite that is edited meanwhile must not be compared with itself.
        self._sources = {each.framework: each for each in sources_for({pair.framework for pair in plan.pairs}, ["cpu"])}
        self._folder, self._runs = folder, folder / "runs"
        self._only_kept = only_kept
        self._machine = machine

    def compare(self, pair: Compared) -> Result:
        """Return how two runs differ."""
        result = Result(
            framework=pair.framework,
            before=pair.before.environment,
            after=pair.after.environment,
            changed=self._what_changed(pair),
        )
        try:
            both = self._both(pair)
        except EnvlockError as error:
            return replace(result, problem=error.what)
        except subprocess.CalledProcessError:
            return replace(result, problem="uv could not make the environment")
        if both is None:
            return replace(result, problem=NOT_KEPT)
        before, after = both
        result = replace(
            result,
            before=self._name_of(pair.before, before, result.changed),
            after=self._name_of(pair.after, after, result.changed),
        )
        for suite in (before, after):
            if suite.loaded != "ok":
                return replace(result, problem=f"{suite.loaded}: {suite.reason}")
        rows = [row for row in compare(self._as_numerics(before), self._as_numerics(after), NEAR) if row.expected]
        shared = [row for row in rows if row.found]
        differing = [row for row in shared if row.state in DIFFERING and row.expected == "ok"]
        differing.sort(key=lambda row: (row.state == "near", row.ulps is not None, -(row.ulps or 0), row.probe))
        return replace(result, probes=len(shared), rows=tuple(differing))

    def _what_changed(self, pair: Compared) -> str:
        one, other = (self._plan.environments[side.environment] for side in (pair.before, pair.after))
        if one.packages != other.packages:
            return "release"
        if one.python != other.python:
            return "Python"
        if pair.before.threads != pair.after.threads:
            return "threads"
        names = {name for side in (pair.before, pair.after) for name in side.variables}
        return ", ".join(sorted(names)) if pair.before != pair.after else "again"

    def _name_of(self, side: Side, suite: Suite, what: str) -> str:
        """Return a run as people call it: its release, and what was set."""
        python = [f"CPython {self._plan.environments[side.environment].python}"] if what == "Python" else []
        said = [f"{name}={value}" for name, value in side.variables.items()]
        threads = [f"{side.threads} threads"] if side.threads else []
        return ", ".join([suite.version, *python, *said, *threads])

    def _as_numerics(self, suite: Suite) -> Numerics:
        return Numerics(conditions=Conditions(threads=1, machine=self._machine), suites=(suite,))

    def _both(self, pair: Compared) -> tuple[Suite, Suite] | None:
        """Return both runs of a pair, of one suite; None where none is kept and nothing shall be measured."""
        repetition = int(pair.before == pair.after)
        for digest in self._digests(pair.framework):
            files = self._kept(pair, pair.before, digest, 0), self._kept(pair, pair.after, digest, repetition)
            if all(file.is_file() for file in files):
                return tuple(from_json(file.read_bytes(), Suite) for file in files)  # type: ignore[return-value]
            if not self._only_kept:
                return self._run(pair, pair.before, files[0]), self._run(pair, pair.after, files[1])
        return None

    def _digests(self, framework: str) -> list[str]:
        """Return the digest of a framework's suite; where nothing is measured, also those that runs were kept of."""
        if not self._only_kept:
            return [self._sources[framework].sha256]
        files = sorted(self._runs.glob(f"{framework}-*.json"), key=lambda file: -file.stat().st_mtime)
        return list(dict.fromkeys(from_json(file.read_bytes(), Suite).source for file in files))

    def _kept(self, pair: Compared, side: Side, digest: str, repetition: int) -> Path:
        made = self._plan.environments[side.environment]
        parts = [digest, *made.packages, made.python, made.as_of, msgspec.json.encode(side).decode(), str(repetition)]
        key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
        return self._runs / f"{pair.framework}-{side.environment}-{key}.json"

    def _run(self, pair: Compared, side: Side, kept: Path) -> Suite:
        if not kept.is_file():
            suite = self._measure(self._sources[pair.framework], self._environment(side.environment), side)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(msgspec.json.encode(suite))
        return from_json(kept.read_bytes(), Suite)

    def _measure(self, source: Source, python: Path, side: Side) -> Suite:
        settings = changed(canonical(_FRESH, "cpu"), dict(side.variables), side.threads)
        return run_suite(PythonProbing(python), source, {"canonical": settings})

    def _environment(self, name: str) -> Path:
        """Return the Python of an environment, made if need be."""
        made, venv = self._plan.environments[name], self._folder / "environments" / name
        python, complete, pins = venv / "bin/python", venv / "complete", msgspec.json.encode(made)
        if not complete.is_file() or complete.read_bytes() != pins:
            _uv("venv", "--clear", "--python", _python(made.python), str(venv))
            dated = ["--exclude-newer", made.as_of] if made.as_of else []
            links = [part for link in os.environ.get("PIP_FIND_LINKS", "").split() for part in ("--find-links", link)]
            _uv("pip", "install", "--python", str(python), *dated, *links, *made.packages)
            complete.write_bytes(pins)
        return python


def _uv(*arguments: str) -> None:
    subprocess.run([find_uv_bin(), "--no-config", "-q", *arguments], check=True, stdout=sys.stderr)


def _python(version: str) -> str:
    """Return an interpreter that pyenv has of a version, where it has one; else uv looks for it."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return next((str(each / "bin/python") for each in sorted(root.glob(f"versions/{version}.*"))), version)


def _outcome(result: Result) -> str:
    return result.problem or f"{len(result.rows)} of {result.probes} differ"


def page(results: Sequence[Result], machine: Machine) -> str:
    """Return docs/numerics-measured.md."""
    lines = [
        "# Numbers, measured",
        "",
        "What the probes of [data/probes](../src/envlock/data/probes) gave on two sides of one change.",
        f"Measured on {_described(machine)} by `tools/measure_numerics.py`, which makes this page:",
        "one thread, deterministic algorithms and no variable that changes results, except for what the row names.",
        "A probe differs where one bit of its result does.",
        "The figure behind it is how far its sampled elements are apart at most, in units in the last place.",
        "Probes that only one of both releases has are not counted.",
        "Another CPU gives other counts: kernels are chosen by what it has.",
        "",
    ]
    for framework in dict.fromkeys(result.framework for result in results):
        lines += [f"## {framework}", "", "| from | to | differ | which, and how far |", "| --- | --- | --- | --- |"]
        lines += [_row(result) for result in results if result.framework == framework]
        lines.append("")
    return "\n".join(lines)


def _row(result: Result) -> str:
    before, after = (_cell(text) for text in (result.before, result.after))
    if result.problem:
        return f"| {before} | {after} | – | {_cell(result.problem)} |"
    which = listed(result.rows, _NAMED) if result.rows else ""
    note = "measured twice" if result.changed == "again" else ""
    return f"| {before} | {after} | {len(result.rows)} of {result.probes} | {_cell(which) or note} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _described(machine: Machine) -> str:
    cpu = machine.cpu
    return f"an {cpu.level} CPU" if isinstance(cpu, Cpu) and cpu.level else "a CPU of unknown level"


def toml_rows(results: Sequence[Result]) -> Iterator[str]:
    """Yield rows for src/envlock/data/changes, their text still to be written."""
    for result in results:
        if result.problem or result.changed in ("again", "Python"):
            continue
        names = ", ".join(json.dumps(short_name(row)) for row in result.rows)
        counts = f"differ = {len(result.rows)}\nprobes = {result.probes}\n"
        if result.changed == "release":
            span = f'from = "{result.before}"\nto = "{result.after}"\n'
            yield f"# {result.framework}\n[[change]]\n{span}{counts}what = [{names}]\n"
        else:
            said = f"# {result.framework} {result.before} → {result.after}: {names}"
            yield f'{said}\n[[setting]]\nname = "{result.changed}"\n{counts}'


if __name__ == "__main__":
    raise SystemExit(main())
