"""Which rules had nothing to look at, and why: a pass is told together with what it does not speak of."""

from __future__ import annotations

from collections.abc import Iterable

from envlock.model.finding import Family, Need, Rule
from envlock.model.machine import Accelerators, Machine
from envlock.model.numerics import Fingerprint
from envlock.model.unknown import Unknown
from envlock.verify.case import Case

_NEEDS: dict[Family, Need] = {
    "PKG": "packages",
    "FILE": "files",
    "PY": "interpreter",
    "SYS": "machine",
    "CPU": "class",
    "ACC": "class",
    "ENV": "variables",
    "NUM": "numerics",
}


def unjudged(case: Case, rules: Iterable[Rule]) -> dict[str, str]:
    """Return the reason for each rule that had nothing to look at, by id, in the order of the rules."""
    reasons = {}
    for rule in rules:
        need = rule.needs or _NEEDS.get(rule.family)
        if case.terms.table.rules.get(rule.id) == "off" and rule.nature == "drift":
            reasons[rule.id] = "turned off in the manifest"
        elif need is not None and (reason := _missing(case, need)):
            reasons[rule.id] = reason
    return reasons


def _missing(case: Case, need: Need) -> str:
    """Say why a thing is not there to be looked at; nothing where it is."""
    seen = case.observation
    match need:
        case "packages":
            return "" if case.sees_packages else "it could not be seen what is installed"
        case "interpreter":
            return "" if case.interpreter is not None else "it is not known which Python the target has"
        case "image":
            return "" if case.image is not None else "the target is not an image"
        case "container":
            return "" if seen.container is not None else "the target is not a container"
        case "machine" | "class" | "classes":
            if need == "class" and not case.terms.on:
                return "no hardware class was asked for; --on CLASS does"
            if need == "classes" and not case.lock.hardware:
                return "the lock names no hardware class"
            return _why(seen.machine, "an image runs nowhere yet" if case.image else "the machine was not looked at")
        case "accelerator":
            return _accelerator(case)
        case "variables":
            return _why(seen.variables, "settings were not looked at")
        case "numerics":
            return _numerics(case)
        case "stdlib":
            return _stdlib(case)
        case "files" | "bytes":
            environment = case.environment
            if environment is None:
                return _why(seen.environment, "files were not looked at; --full reads them")
            return "" if need == "files" or environment.hashed else "files were not read; --full compares every byte"


def _accelerator(case: Case) -> str:
    machine = case.observation.machine
    if not isinstance(machine, Machine):
        return _missing(case, "machine")
    seen = machine.accelerators
    is_without = isinstance(seen, Accelerators) and not seen.devices and not case.terms.on
    return "this machine has no accelerator" if is_without else ""


def _numerics(case: Case) -> str:
    if not case.compares_numbers:
        return "numbers were not compared; --numerics runs the probes"
    expected = case.terms.fingerprint
    if isinstance(expected, Fingerprint) and case.fingerprint is None:
        return "the fingerprint is of another lock"
    return _why(expected, "no fingerprint was given") or _why(case.observation.numerics, "the probes were not run")


def _stdlib(case: Case) -> str:
    stdlib = case.environment.stdlib if case.environment is not None else None
    if stdlib is None:
        return "" if case.image is not None and case.is_vouched else "it was not seen, and no lock describes it"
    if case.environment is not None and not case.environment.hashed:
        return "files were not read; --full compares every byte"
    return "" if stdlib.voucher else "no lock describes it, and nobody on this machine has its digests"


def _why(seen: object, absent: str) -> str:
    if isinstance(seen, Unknown):
        return f"could not be seen: {seen.reason}"
    return absent if seen is None else ""
