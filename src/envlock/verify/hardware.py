"""Which of a lock's hardware classes a machine is of, and what the rules say of the constraints of one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator

from envlock.errors import UsageError
from envlock.model.finding import Finding, Rule
from envlock.model.lock import Lock
from envlock.model.machine import Machine
from envlock.verify.accelerator_answers import accelerator_answers
from envlock.verify.answer import Answer, State
from envlock.verify.case import Case
from envlock.verify.cpu_answers import cpu_answers, memory_answers

ACCELERATOR_RANK = 29
CPU_RANK = 42
"""Among findings of one impact: after the libraries of accelerators, and after settings."""


def check_class_name(lock: Lock, name: str) -> None:
    """Raise UsageError (`unknown-class`) unless a lock names a hardware class; the empty name asks for none."""
    if not name or name in lock.hardware:
        return
    known = sorted(lock.hardware)
    near = difflib.get_close_matches(name, known, 1)
    raise UsageError(
        "unknown-class",
        f"The lock of {lock.env} names no hardware class {name!r}.",
        expected="one of: " + ", ".join(known) if known else "a lock that names classes",
        found=name,
        hint=f"Did you mean {near[0]!r}?"
        if near
        else f"Write [hardware.{name}], name it in [env.{lock.env}] hardware = [...], and run envlock lock {lock.env}.",
    )


def answers(lock: Lock, name: str, machine: Machine) -> tuple[Answer, ...]:
    """Return what a machine says to each constraint of one of the lock's classes."""
    hardware = lock.hardware[name]
    return (
        *cpu_answers(hardware, machine.cpu),
        *memory_answers(hardware, machine.memory),
        *accelerator_answers(lock, hardware, machine),
    )


def standing(given: Iterable[Answer]) -> State:
    """Return `no` where any answer is, else `unknown` where any answer is, else `yes`."""
    states = {answer.state for answer in given}
    return "no" if "no" in states else "unknown" if "unknown" in states else "yes"


def classes_of(lock: Lock, machine: Machine) -> tuple[str, ...]:
    """Return the names of the lock's classes that a machine is known to be of, sorted."""
    return tuple(name for name in sorted(lock.hardware) if standing(answers(lock, name, machine)) == "yes")


def class_summary(case: Case) -> str:
    """Return the class of the machine in a few words, as a summary tells it; empty without classes or a machine."""
    machine = case.observation.machine
    if not case.lock.hardware or not isinstance(machine, Machine):
        return ""
    own = classes_of(case.lock, machine)
    if case.terms.on in own:
        return f"class {case.terms.on}"
    names = sorted(case.lock.hardware)
    if own:
        return f"class {', '.join(own)}" + (f", not {case.terms.on}" if case.terms.on else "")
    states = {standing(answers(case.lock, name, machine)) for name in names}
    return f"{'of no known class' if 'unknown' in states else 'none of the classes'} {', '.join(names)}"


def asked(case: Case, rule: Rule, *, rank: int) -> Iterator[Finding]:
    """Yield a rule's findings on the class that was asked for with ``--on``: what differs, and what was not seen."""
    machine = case.observation.machine
    if case.terms.on not in case.lock.hardware or not isinstance(machine, Machine):
        return
    for answer in answers(case.lock, case.terms.on, machine):
        if answer.rule == rule.id and answer.state != "yes":
            yield rule.finding(
                answer.subject,
                expected=answer.expected,
                found=answer.found,
                fix=answer.hint,
                nature="unknown" if answer.state == "unknown" else "drift",
                severity="error",
                rank=rank,
            )
