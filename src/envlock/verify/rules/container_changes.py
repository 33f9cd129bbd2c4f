"""container-changes: a container has other files than its image where programs load code from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from envlock.model.engine import Change
from envlock.model.finding import Finding, Rule, Severity
from envlock.verify.case import Case
from envlock.verify.container_paths import grouped, kind_of

RULE = Rule(
    id="container-changes",
    family="FILE",
    needs="container",
    title="A container has the files of its image wherever its programs load code from.",
    why="What was installed or edited in a running container is in no lock and in no image, and is gone with it.",
    impact="results",
    source="Engine API, ContainerChanges (docker diff)",
)
_TOLD = 20


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each package or folder that changed; --full judges the environment's files one by one."""
    container = case.observation.container
    if container is None:
        return
    if container.first is not None:
        expected, found = container.first
        yield RULE.finding(
            "PATH",
            expected=f"{expected} first, as in the image",
            found=f"{found} first" if found else "no folder first",
            why="`python` may be another one than that of the image.",
            fix=f"start it with the PATH of the image: {case.sync}",
            impact="results",
        )
    seen = case.environment.files.keys() if case.environment is not None else frozenset[str]()
    judged = [change for change in container.changes if change.path not in seen]
    kinds = {change.path: kind_of(case, change.path) for change in judged}
    if case.environment is None:
        bytecode = [change for change in judged if kinds[change.path] == "bytecode"]
        if bytecode:
            yield RULE.finding(
                "bytecode",
                expected="the image's .pyc files",
                found=_counts(bytecode),
                why="Python writes it when it imports what has none; whether it is that, --full tells.",
                fix=case.verify("--full"),
                severity="info",
                impact="security",
            )
    yield from _told(case, [change for change in judged if kinds[change.path] == "environment"], "error")
    yield from _told(case, [change for change in judged if kinds[change.path] == "system"], "warning")


def _told(case: Case, changes: Sequence[Change], severity: Severity) -> Iterator[Finding]:
    groups = sorted(grouped(changes).items())
    for folder, inside in groups[:_TOLD]:
        yield RULE.finding(
            folder,
            expected="the image's files",
            found=_counts(inside),
            fix=case.sync,
            path=inside[0].path,
            severity=severity,
            impact="results" if severity == "error" else "compat",
        )
    if len(groups) > _TOLD:
        yield RULE.finding(
            f"{len(groups) - _TOLD} more folders",
            expected="the image's files",
            found=_counts([change for _, inside in groups[_TOLD:] for change in inside]),
            fix=case.sync,
            severity=severity,
        )


def _counts(changes: Sequence[Change]) -> str:
    """Return such as ``2 changed, 1 added (numpy/core/numeric.py, …)``."""
    counts = Counter(change.kind for change in changes)
    said = ", ".join(f"{counts[kind]} {kind}" for kind in ("changed", "added", "deleted") if counts[kind])
    more = ", …" if len(changes) > 1 else ""
    return f"{said} ({changes[0].path}{more})"
