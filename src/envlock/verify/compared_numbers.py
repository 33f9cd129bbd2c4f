"""What probes answered in several environments: suite by suite, and one pass after the other.

Equal digests are equal results. Answers of other probes than these are answers to other questions, and what does not
repeat on one machine says nothing about two: neither is called the same or different.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from envlock.model.comparison import Unseen
from envlock.model.number_words import PASS_NAMES, suite_name, title_of
from envlock.model.numerics import PASSES, Answer, Device, Numerics, Pass, Suite
from envlock.model.report import Report
from envlock.model.unknown import Unknown

_ONE_VERSION = "make the reports with one version of envlock"
_NAMED = 2
_Suites = Mapping[int, Suite]
"""Of one framework on one kind of device, by the number of the report."""


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """What one pass of one suite gave."""

    framework: str
    subject: str
    probes: int
    """How many could be compared."""
    groups: Mapping[str, list[int]]
    """What each report gave, in words, against what most gave; reports by their number."""
    differing: tuple[str, ...]
    """The probes that are not the same everywhere, as they ran."""

    @property
    def note(self) -> str:
        """Return the first probes that differ."""
        more = len(self.differing) - _NAMED
        return ", ".join(self.differing[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def numbers_in(reports: Sequence[Report]) -> Iterator[Numbers]:
    """Yield what each pass of each suite gave that two reports or more have answers of."""
    for (framework, device), suites in _by_framework(reports).items():
        for same in _by_source(suites):
            for which in PASSES:
                answers = _answers(same, which)
                if len(answers) > 1 and (found := _compared(framework, title_of(framework, device, which), answers)):
                    yield found


def unseen_numbers(reports: Sequence[Report], names: Sequence[str]) -> Iterator[Unseen]:
    """Yield which numbers could not be compared, and why."""
    silent = [number for number, report in enumerate(reports) if report.numerics is None]
    if 0 < len(silent) < len(reports):
        told = tuple(names[number] for number in silent)
        yield Unseen(subject="numbers", reason="not recorded", reports=told, hint="envlock report --numerics")
    for number, report in enumerate(reports):
        if isinstance(report.numerics, Unknown):
            unknown = report.numerics
            yield Unseen(
                subject="numbers", reason=unknown.reason, reports=(names[number],), hint=unknown.hint, failed=True
            )
    for (framework, device), suites in _by_framework(reports, loaded=False).items():
        yield from _unseen(f"numbers of {suite_name(framework, device)}", suites, names)


def _unseen(subject: str, suites: _Suites, names: Sequence[str]) -> Iterator[Unseen]:
    usable = {number: suite for number, suite in suites.items() if suite.loaded == "ok"}
    for number, suite in suites.items():
        if suite.loaded not in ("ok", "missing"):
            reason = f"importing it ended so: {suite.loaded}" + (f" ({suite.reason})" if suite.reason else "")
            yield Unseen(subject=subject, reason=reason, reports=(names[number],), failed=True)
    _, *others = _by_source(usable) or [{}]
    for other in others:
        told = tuple(names[number] for number in other)
        reason = "they are answers of other probes"
        yield Unseen(subject=subject, reason=reason, reports=told, hint=_ONE_VERSION, failed=True)
    for same in _by_source(usable):
        for which in PASSES:
            answers = _answers(same, which)
            asked = dict.fromkeys(probe for each in answers.values() for probe in each)
            for number, each in answers.items():
                if lacking := [probe for probe in asked if probe not in each]:
                    reason = f"{len(lacking)} of {len(asked)} probes gave no answer, {PASS_NAMES[which]}"
                    yield Unseen(subject=subject, reason=reason, reports=(names[number],), failed=True)
            if noisy := [name for name in asked if any(_is_noisy(each, name) for each in answers.values())]:
                reason = f"{len(noisy)} of {len(asked)} probes do not repeat, {PASS_NAMES[which]}"
                apart = any(len(_solid(answers.values(), name)) > 1 for name in noisy)
                reason += "; where they do, they differ" if apart else ""
                told = tuple(names[number] for number in answers)
                yield Unseen(subject=subject, reason=reason, reports=told, failed=apart)


def _by_framework(reports: Sequence[Report], *, loaded: bool = True) -> dict[tuple[str, Device], dict[int, Suite]]:
    found: dict[tuple[str, Device], dict[int, Suite]] = {}
    for number, report in enumerate(reports):
        for suite in report.numerics.suites if isinstance(report.numerics, Numerics) else ():
            if suite.loaded == "ok" or not loaded:
                found.setdefault((suite.framework, suite.device), {})[number] = suite
    return found


def _by_source(suites: _Suites) -> list[dict[int, Suite]]:
    """Return the suites that ran the same probes together, those of most reports first."""
    found: dict[str, dict[int, Suite]] = {}
    for number, suite in suites.items():
        found.setdefault(suite.source, {})[number] = suite
    return sorted(found.values(), key=len, reverse=True)


def _answers(suites: _Suites, which: Pass) -> dict[int, dict[str, Answer]]:
    """Return what each report's probes gave in a pass; those without any answer are left out."""
    found = {
        number: {probe.name: probe.answers[which] for probe in suite.probes if which in probe.answers}
        for number, suite in suites.items()
    }
    return {number: answers for number, answers in found.items() if answers}


def _is_noisy(answers: Mapping[str, Answer], probe: str) -> bool:
    return probe in answers and answers[probe].status == "noisy"


def _solid(answers: Iterable[Mapping[str, Answer]], probe: str) -> set[str]:
    """Return what a probe gave wherever it repeats."""
    return {
        each[probe].sha256 or each[probe].status for each in answers if probe in each and not _is_noisy(each, probe)
    }


def _compared(framework: str, subject: str, answers: Mapping[int, Mapping[str, Answer]]) -> Numbers | None:
    """Return what reports gave for the probes that all of them answered with something that repeats."""
    first, *others = answers.values()
    probes = [
        probe
        for probe in first
        if all(probe in other for other in others) and not any(_is_noisy(each, probe) for each in answers.values())
    ]
    if not probes:
        return None
    alike: dict[tuple[str, ...], list[int]] = {}
    for number, each in answers.items():
        key = tuple(each[probe].sha256 or each[probe].status for probe in probes)
        alike.setdefault(key, []).append(number)
    usual = max(alike, key=lambda key: len(alike[key]))
    groups: dict[str, list[int]] = {}
    for key, numbers in alike.items():
        apart = sum(one != other for one, other in zip(key, usual, strict=True))
        text = f"{apart} of {len(probes)} differ" if apart else f"{len(probes)} probes"
        while text in groups:  # as many others, which is not the same
            text += ", otherwise"
        groups[text] = numbers
    return Numbers(
        framework=framework,
        subject=f"numbers of {subject}",
        probes=len(probes),
        groups=groups,
        differing=tuple(probe for at, probe in enumerate(probes) if len({key[at] for key in alike}) > 1),
    )
