"""What to do about reports that disagree, or that do not say enough."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from envlock.model.comparison import Disagreement, Unseen
from envlock.model.report import Report

_INSTALLED = ("package", "files", "source", "python", "startup")


def next_steps(
    reports: Mapping[str, Report], disagreements: Sequence[Disagreement], unseen: Sequence[Unseen]
) -> Iterator[str]:
    """Yield commands, the most useful one first: agree on one environment, on one number of threads, on one commit."""
    mattering = [each for each in disagreements if each.impact != "cosmetic"]
    for each in mattering:
        if each.subject == "commit":
            first = each.groups[0]
            yield f"check out one commit, such as {first.value} of {first.reports[0]}"
    if any(each.area in _INSTALLED for each in mattering):
        yield _one_environment(reports)
    for each in mattering:
        if each.subject == "threads":
            yield _one_number(each)
    others = [each.subject for each in mattering if each.area == "settings" and each.subject != "threads"]
    if others:
        yield f"set {', '.join(others[:3])} for all: settings.env in envlock.toml, and start with envlock run"
    if not mattering:
        yield from dict.fromkeys(each.hint for each in unseen if each.hint and each.subject != "data")


def _one_environment(reports: Mapping[str, Report]) -> str:
    locks = {report.lock for report in reports.values()}
    if len(locks) == 1 and (lock := locks.pop()) is not None:
        env = shlex.quote(lock.env)  # a report may say anything, and this is to be pasted
        return f"install what is locked, on each: envlock sync {env} && envlock verify {env}"
    envs = {lock.env for lock in locks if lock is not None}
    if len(envs) == 1 and None not in locks:
        return f"bring the locks together (git pull), then on each: envlock sync {shlex.quote(envs.pop())}"
    return "agree on one: envlock lock --from-venv .venv"


def _one_number(threads: Disagreement) -> str:
    numbers = [int(group.value) for group in threads.groups if group.value.isdecimal()]
    wanted = min(numbers, default=1)
    return f"set one number of threads: export OMP_NUM_THREADS={wanted}, or settings.threads in envlock.toml"
