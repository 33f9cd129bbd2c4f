"""Which of a lock's hardware classes a machine is of, and what the rules say of the constraints of one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from envlock.errors import UsageError, did_you_mean
from envlock.model.finding import Finding, Rule
from envlock.model.lock import Lock
from envlock.model.machine import Machine
from envlock.model.unknown import Unknown
from envlock.verify.accelerator_answers import accelerator_answers
from envlock.verify.answer import Answer, State
from envlock.verify.case import Case
from envlock.verify.cpu_answers import cpu_answers, memory_answers
from envlock.verify.visible import as_programs_see, hiding


def check_class_name(lock: Lock, name: str) -> None:
    """Raise UsageError (`unknown-class`) unless a lock names a hardware class; the empty name asks for none."""
    if not name or name in lock.hardware:
        return
    known = sorted(lock.hardware)
    raise UsageError(
        "unknown-class",
        f"The lock of {lock.env} names no hardware class {name!r}.",
        expected="one of: " + ", ".join(known) if known else "a lock that names classes",
        found=name,
        hint=did_you_mean(
            name,
            known,
            f"Write [hardware.{name}], name it in [env.{lock.env}] hardware = [...], and run envlock lock {lock.env}.",
        ),
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
    machine = machine_of(case)
    return told_class(case.lock, machine, case.terms.on) if isinstance(machine, Machine) else ""


def machine_of(case: Case) -> Machine | Unknown | None:
    """Return the observed machine; where settings are judged, without accelerators that they hide from programs."""
    machine = case.observation.machine
    if isinstance(machine, Machine) and case.variables is not None and case.judges_settings:
        return as_programs_see(machine, case.variables.values)
    return machine


def told_class(lock: Lock, machine: Machine, on: str = "") -> str:
    """Return in a few words which of the lock's classes a machine is of; empty where it names none.

    `on` is the class that was asked for.
    """
    if not lock.hardware:
        return ""
    own = classes_of(lock, machine)
    if on in own:
        return f"class {on}"
    if own:
        return f"class {', '.join(own)}" + (f", not {on}" if on else "")
    names = sorted(lock.hardware)
    states = {standing(answers(lock, name, machine)) for name in names}
    return f"{'of no known class' if 'unknown' in states else 'none of the classes'} {', '.join(names)}"


def asked(case: Case, rule: Rule, *, rank: int) -> Iterator[Finding]:
    """Yield a rule's findings on the class that was asked for with ``--on``: what differs, and what was not seen."""
    machine, whole = machine_of(case), case.observation.machine
    if case.terms.on not in case.lock.hardware or not isinstance(machine, Machine) or not isinstance(whole, Machine):
        return
    hidden = hiding(whole, case.variables.values) if case.variables is not None else {}
    because = f" ({', '.join(f'{name}={value!r}' for name, value in hidden.items())} hides devices)" if hidden else ""
    for answer in answers(case.lock, case.terms.on, machine):
        if answer.rule == rule.id and answer.state != "yes":
            yield rule.finding(
                answer.subject,
                expected=answer.expected,
                found=answer.found + because * answer.rule.startswith("accelerator-"),
                fix=answer.hint or (case.unset(min(hidden)) if hidden else ""),
                nature="unknown" if answer.state == "unknown" else "drift",
                severity="error",
                rank=rank,
            )
