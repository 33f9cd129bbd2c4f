"""How much a thing that reports disagree in does to results, and why."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from envlock.model.comparison import Area
from envlock.model.factors import factor_of, relevant
from envlock.model.finding import Impact
from envlock.model.influence import ACCELERATOR_RANK, CPU_RANK, NUMERICS_RANK, PYTHON_RANK, SETTINGS_RANK, influence_of
from envlock.verify.case import UNLOCKED_TOOLS
from envlock.verify.known import fact_about_setting
from envlock.verify.settings_changes import THREADS

_CODE_RANK, _DATA_RANK, _LAST_RANK = -20, -10, 90


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a disagreement stands among others: a lower rank is told first."""

    impact: Impact
    rank: int
    why: str


_KNOWN: dict[tuple[Area, str], Standing] = {
    ("code", "project"): Standing(
        impact="results", rank=_CODE_RANK - 1, why="These are reports of different projects: their histories differ."
    ),
    ("code", "commit"): Standing(impact="results", rank=_CODE_RANK, why="Other code ran."),
    ("code", "uncommitted changes"): Standing(
        impact="results", rank=_CODE_RANK + 1, why="Files were edited since the commit, so other code may have run."
    ),
    ("accelerator", "GPU"): Standing(
        impact="results",
        rank=ACCELERATOR_RANK,
        why="Kernels are chosen and sums are ordered by the model and its multiprocessors.",
    ),
    ("accelerator", "GPU driver"): Standing(
        impact="compat", rank=ACCELERATOR_RANK, why="It compiles PTX and sets the newest CUDA; results rarely change."
    ),
    ("cpu", "CPUs for programs"): Standing(
        impact="results", rank=CPU_RANK, why="TensorFlow and others start a thread for each: sums change their order."
    ),
    ("cpu", "CPU level"): Standing(
        impact="results", rank=CPU_RANK, why="Libraries choose their kernels by it: the last bits differ."
    ),
    ("cpu", "CPU features"): Standing(
        impact="results", rank=CPU_RANK, why="Libraries choose their kernels by them: the last bits differ."
    ),
    ("cpu", "CPU vendor"): Standing(
        impact="results", rank=CPU_RANK, why="MKL and oneDNN choose other code for other vendors."
    ),
    ("cpu", "CPU"): Standing(impact="compat", rank=CPU_RANK, why="OpenBLAS has kernels for single microarchitectures."),
    ("system", "platform"): Standing(
        impact="results", rank=PYTHON_RANK, why="Another platform has other wheels with other kernels."
    ),
    ("system", "libc"): Standing(
        impact="compat", rank=_LAST_RANK, why="exp, log and pow of the C library differ in the last bit between some."
    ),
    ("system", "memory"): Standing(impact="cosmetic", rank=_LAST_RANK, why="How much fits."),
    ("system", "installer"): Standing(impact="cosmetic", rank=_LAST_RANK, why="Which tool copied the files."),
}


def standing_of(area: Area, subject: str, values: Sequence[str], packages: Collection[str]) -> Standing:
    """Return the standing of a thing whose readings are `values`; `packages` are those of all reports."""
    known = _KNOWN.get((area, subject))
    if known is not None:
        return known
    if area == "data":
        return Standing(impact="results", rank=_DATA_RANK, why="Other data were read.")
    if area == "numerics":  # subject is the framework whose probes gave them
        why = "The same probes gave other numbers: this is what all other differences come to."
        return Standing(impact="results", rank=influence_of(subject).rank + NUMERICS_RANK, why=why)
    if area == "python":
        return _python(values)
    if area == "settings":
        return _setting(subject, packages)
    if area == "startup":
        why = "It runs before any program does and can replace any function of any package."
        return Standing(impact="security", rank=_LAST_RANK, why=why)
    return _package(area, subject)


def _package(area: Area, name: str) -> Standing:
    if name in UNLOCKED_TOOLS and area != "files":
        return Standing(impact="cosmetic", rank=_LAST_RANK, why="It installs packages and computes nothing.")
    influence = influence_of(name)
    why = {"files": "The same version with other files: another build, or edited.", "source": "It is not a release."}
    return Standing(
        impact=influence.impact,
        rank=influence.rank,
        why=why.get(area, influence.why),
    )


def _python(values: Sequence[str]) -> Standing:
    features = {text.rpartition(".")[0] for text in values}
    if len(features) > 1:
        why = "Other wheels are installed, and the standard library differs; no numpy result was seen to differ."
        return Standing(impact="results", rank=PYTHON_RANK, why=why)
    return Standing(impact="compat", rank=PYTHON_RANK, why="Patch releases fix bugs, rarely ones that change numbers.")


def _setting(name: str, packages: Collection[str]) -> Standing:
    if name == "threads":
        return Standing(impact="results", rank=SETTINGS_RANK, why=fact_about_setting(name, packages) or THREADS)
    factor = factor_of(name)
    if factor is None:
        return Standing(impact="compat", rank=SETTINGS_RANK, why="Programs may read it.")
    if not relevant(factor, packages):
        return Standing(impact="cosmetic", rank=SETTINGS_RANK, why="No installed package is known to read it.")
    impact: Impact = "compat" if factor.ambient and factor.impact == "results" else factor.impact
    return Standing(impact=impact, rank=SETTINGS_RANK, why=fact_about_setting(name, packages) or factor.what)
