"""`envlock fingerprint`: the numbers of a locked environment on this machine, kept for its class of hardware."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from envlock import __version__
from envlock.errors import EnvlockError, IntegrityError, StaleError, UnverifiableError, UsageError
from envlock.formats.beside import write_beside
from envlock.formats.fingerprint import fingerprint_bytes, parse_fingerprint
from envlock.model.finding import Finding, Verdict, judge
from envlock.model.lock import LockFile
from envlock.model.number_words import PASS_NAMES, suite_name
from envlock.model.numerics import PROJECT, Answer, Fingerprint, Numerics, Pass, Suite
from envlock.model.observation import Unknown
from envlock.operations.expected_numbers import class_for
from envlock.operations.numerics import Questions, Stage, nothing_to_probe, observe_numerics, sources_of
from envlock.verify.case import Case
from envlock.verify.numbers import compare
from envlock.verify.rules import check_all

_REFUSALS: dict[int, type[EnvlockError]] = {1: StaleError, 3: UnverifiableError, 4: IntegrityError}


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Probes that gave no result, and why."""

    suite: str
    probe: str = ""
    """Empty where it is all of the suite."""
    which: Pass | None = None
    """None where it is both."""
    status: str
    reason: str

    @property
    def said(self) -> str:
        """The failure in one line."""
        where = f" ({PASS_NAMES[self.which]})" if self.which is not None else ""
        return f"{self.probe or self.suite}{where}: {self.status}" + (f", {self.reason}" if self.reason else "")


def refuse_other(verdict: Verdict, sync: str) -> None:
    """Raise for a target that is not the locked environment: its numbers are not the lock's.

    StaleError (`not-the-locked`) on drift, UnverifiableError where that could not be seen, IntegrityError where bytes
    contradict the lock.
    """
    if not verdict.exit_code:
        return
    grave = [one for one in verdict.findings if one.severity == "error" and one.nature == _nature(verdict)]
    more = f"; {len(grave) - 1} more" if len(grave) > 1 else ""
    raise _REFUSALS[verdict.exit_code](
        "not-the-locked",
        f"The environment is not what the lock of {verdict.summary.env!r} says, so its numbers are not the lock's. "
        "Nothing was written.",
        where=verdict.summary.target,
        expected=_sides(grave)[0],
        found=_sides(grave)[1] + more,
        hint=sync,
    )


def without_allowances(verdict: Verdict, case: Case) -> Verdict:
    """Return the verdict on what decides results, whatever rules the manifest turns off and findings it waives.

    Somebody may live with another release; its numbers are those of another lock all the same.
    """
    deciding = [one for one in check_all(case) if one.impact == "results" and one.nature != "unknown"]
    return judge(verdict.summary, deciding)


def _nature(verdict: Verdict) -> str:
    return {1: "drift", 3: "unknown", 4: "integrity"}[verdict.exit_code]


def _sides(grave: list[Finding]) -> tuple[str, str]:
    return (f"{grave[0].subject} {grave[0].expected}", grave[0].found) if grave else ("", "")


def fingerprint_of(lock_file: LockFile, stage: Stage, questions: Questions, *, hardware: str = "") -> Fingerprint:
    """Run all probes of a locked environment and return their answers as the fingerprint of the machine's class.

    Args:
        stage: where the very environment of the lock is.
        hardware: the class that it shall be, one of the lock's.

    Raises UsageError (`no-probes`, `unknown-class`, `other-class`) and UnverifiableError (`interpreter-failed`,
    `no-numbers` where no suite could be run at all).
    """
    lock = lock_file.lock
    name = class_for(lock, stage.seen, hardware)
    sources = sources_of(lock, stage, questions)
    if not sources:
        why = nothing_to_probe(lock)
        raise UsageError("no-probes", f"There is nothing to probe: {why.reason}.", hint=why.hint)
    found = observe_numerics(lock, stage, sources, questions)
    if isinstance(found, Unknown):
        raise UnverifiableError("interpreter-failed", f"No probe was run: {found.reason}.", hint=found.hint)
    if all(suite.loaded != "ok" for suite in found.suites):
        raise UnverifiableError(
            "no-numbers",
            "No framework could be loaded, so that there are no numbers. Nothing was written.",
            found="; ".join(failure.said for failure in failures(found)),
            hint=f"See what is wrong with it: envlock verify {lock.env} --full",
        )
    return Fingerprint(envlock=__version__, env=lock.env, lock=lock_file.digest, hardware=name, numerics=found)


def failures(found: Numerics) -> tuple[Failure, ...]:
    """Return what gave no result, in the order in which it ran.

    Built-in probes that do not repeat with all threads are known to: their canonical pass counts.
    """
    return tuple(failure for suite in found.suites for failure in _failures_in(suite))


def _failures_in(suite: Suite) -> Iterator[Failure]:
    name = suite_name(suite.framework, suite.device)
    if suite.loaded != "ok":
        yield Failure(suite=name, status=suite.loaded, reason=suite.reason)
        return
    for probe in suite.probes:
        bad = {which: answer for which, answer in probe.answers.items() if _is_failure(suite, which, answer)}
        alike = len({(answer.status, answer.reason) for answer in bad.values()}) == 1 and len(bad) > 1
        for which, answer in list(bad.items())[: 1 if alike else None]:
            yield Failure(
                suite=name,
                probe=probe.name,
                which=None if alike else which,
                status=answer.status,
                reason=answer.reason,
            )


def _is_failure(suite: Suite, which: Pass, answer: Answer) -> bool:
    known = answer.status == "noisy" and which == "configured" and suite.framework != PROJECT
    return answer.status != "ok" and not known


def keep_fingerprint(fingerprint: Fingerprint, path: Path) -> str:
    """Write a fingerprint whole or not at all, and return what became of the one that was there.

    `new`, `unchanged`, or how it differs in words.
    """
    raw = fingerprint_bytes(fingerprint)
    before = path.read_bytes() if path.is_file() else None
    if before == raw:
        return "unchanged"
    write_beside(path, raw)
    return "new" if before is None else _replaced(before, fingerprint, path)


def _replaced(before: bytes, fingerprint: Fingerprint, path: Path) -> str:
    """Say how a fingerprint differs from the one that it took the place of."""
    try:
        old = parse_fingerprint(before, str(path))
    except UsageError:
        return "in place of a file that was no fingerprint"
    rows = compare(old.numerics, fingerprint.numerics, 0)
    differing = {row.probe for row in rows if row.state not in ("equal", "unknown")}
    whose = "" if old.lock == fingerprint.lock else " of another lock"
    if not differing and any(row.state == "unknown" for row in rows):
        return f"in place of one{whose}, made with other probes"
    if not differing:
        return f"in place of one{whose}, same numbers"
    count = f"{len(differing):,} probe{'s' * (len(differing) != 1)}"
    return f"in place of one{whose}, {count} of which had other numbers"
