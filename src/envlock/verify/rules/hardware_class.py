"""hardware-class: the machine is of none of the lock's hardware classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from envlock.model.finding import Finding, Rule
from envlock.model.influence import ACCELERATOR_RANK
from envlock.model.machine import Machine
from envlock.model.unknown import Unknown
from envlock.verify.answer import Answer
from envlock.verify.case import Case
from envlock.verify.hardware import answers, machine_of, standing

RULE = Rule(
    id="hardware-class",
    family="SYS",
    needs="classes",
    title="The machine is of one of the hardware classes that the lock names.",
    why="Other hardware computes other last bits: kernels are chosen by CPU and GPU, threads by the number of CPUs.",
    severity="warning",
    policies={"bitwise": "error"},
    impact="results",
    source="Measured on NumPy and TensorFlow: CPU features, threads and the model of the GPU change results",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding where the machine is of no class, or where it could not be seen whether it is of one.

    With ``--on CLASS`` the constraints of that class have rules of their own, and only a machine that nobody saw is
    left to tell.
    """
    classes, machine = sorted(case.lock.hardware), machine_of(case)
    if not classes:
        return
    if not isinstance(machine, Machine):
        if case.terms.on or machine is not None:
            yield _unseen(case, [case.terms.on] if case.terms.on else classes, machine)
        return
    if case.terms.on:
        return
    given = {name: answers(case.lock, name, machine) for name in classes}
    states = {name: standing(given[name]) for name in classes}
    if "yes" in states.values():
        return
    open_ones = [name for name in classes if states[name] == "unknown"]
    told = {name: _worst(given[name]) for name in open_ones or classes}
    yield RULE.finding(
        "hardware",
        expected=_one_of(classes),
        found="; ".join(f"{name}: {_said(answer)}" for name, answer in told.items()),
        fix=_first_hint(told.values()) if open_ones else case.verify(f"--on {classes[0]}"),
        nature="unknown" if open_ones else "drift",
        severity="error" if open_ones else case.severity(RULE),
        rank=ACCELERATOR_RANK,
    )


def _unseen(case: Case, classes: list[str], machine: Unknown | None) -> Finding:
    reason = machine.reason if machine is not None else "no machine was looked at: an image runs nowhere yet"
    return RULE.finding(
        "hardware",
        expected=_one_of(classes),
        found=reason,
        fix=machine.hint if machine is not None else f"envlock verify {case.lock.env} --on {classes[0]}",
        nature="unknown",
        severity="error",
        rank=ACCELERATOR_RANK,
    )


def _one_of(classes: list[str]) -> str:
    return f"class {' or '.join(classes)}"


def _worst(given: tuple[Answer, ...]) -> Answer:
    """Return the first difference, else the first thing that was not seen."""
    return min((answer for answer in given if answer.state != "yes"), key=lambda answer: answer.state != "no")


def _said(answer: Answer) -> str:
    if answer.state == "unknown":
        return answer.found
    return f"{answer.subject} {answer.expected}, found {answer.found}"


def _first_hint(told: Iterable[Answer]) -> str:
    return next((answer.hint for answer in told if answer.hint), "")
