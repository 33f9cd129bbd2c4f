"""threads-count: programs compute with another number of threads than the lock's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from envlock.model.factors import factor_of, relevant
from envlock.model.finding import Finding, Rule, Severity, milder
from envlock.model.influence import SETTINGS_RANK
from envlock.model.lock import THREAD_VARIABLES
from envlock.model.machine import Cpu, Machine
from envlock.model.observation import Unknown
from envlock.verify.case import Case

RULE = Rule(
    id="threads-count",
    family="ENV",
    title="Programs compute with the locked number of threads and get as many CPUs; policy bitwise asks for a number.",
    why="Sums are taken in another order: matrix products, gradients and all training change in the last bits.",
    policies={"compatible": "warning"},
    impact="results",
    source="Measured, see docs/numerics-measured.md: from 1 to 2 threads matrix products, decompositions and training "
    "differ",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield what the variables say of threads, then what the machine allows."""
    if case.variables is not None and not case.is_vouched:
        yield from _variables(case, case.variables.values)
    if case.variables is not None or case.terms.on:
        yield from _machine(case)


def _finding(subject: str, expected: str, found: str, fix: str, severity: Severity) -> Finding:
    return RULE.finding(
        subject,
        expected=expected,
        found=found,
        fix=fix,
        severity=severity,
        rank=SETTINGS_RANK,
    )


def _variables(case: Case, found: Mapping[str, str]) -> Iterator[Finding]:
    expected = {name: value for name, value in case.expected_variables.items() if name in THREAD_VARIABLES}
    differing = [name for name, value in expected.items() if found.get(name) != value]
    if not case.judges_settings:
        differing = [name for name in differing if name in found]  # variable-value tells that nothing is set
    strays = [
        name
        for name in found
        if name not in case.expected_variables
        and (factor := factor_of(name)) is not None
        and factor.kind == "threads"
        and factor.impact == "results"
        and not factor.ambient
        and relevant(factor, case.locked)
    ]
    settings = case.lock.settings
    if differing:
        yield _finding(
            "threads",
            str(settings.threads) if settings.threads is not None else _listed(expected),
            _listed({name: found.get(name, "not set") for name in sorted(differing)}),
            case.start,
            case.setting_severity(RULE),
        )
    if strays and settings.threads is None:
        severity = milder(case.setting_severity(RULE), "warning")
        fix = f"envlock lock {case.lock.env}   (with threads in [env.{case.lock.env}.settings])"
        yield _finding("threads", "no number: none is locked", _listed(_only(found, strays)), fix, severity)
    elif strays:
        severity = case.setting_severity(RULE, told="warning")
        expected_number = f"{settings.threads}, and no other limit"
        yield _finding("threads", expected_number, _listed(_only(found, strays)), case.start, severity)


def _machine(case: Case) -> Iterator[Finding]:
    threads, machine = case.lock.settings.threads, case.observation.machine
    if threads is None:
        if case.lock.policy == "bitwise" and machine is not None and not _fixed(case):
            cpu = machine.cpu if isinstance(machine, Machine) else None
            yield _finding(
                "threads",
                "a locked number (policy bitwise)",
                "as many as there are CPUs" + (f": {cpu.usable} here" if isinstance(cpu, Cpu) else ""),
                f"envlock lock {case.lock.env}   (with threads in [env.{case.lock.env}.settings])",
                case.setting_severity(RULE, told="warning"),
            )
        return
    cpu = machine.cpu if isinstance(machine, Machine) else machine
    if isinstance(cpu, Unknown):
        yield RULE.finding(
            "cpus",
            expected=f"at least {threads}",
            found=cpu.reason,
            fix=cpu.hint,
            nature="unknown",
            severity=case.setting_severity(RULE),
            rank=SETTINGS_RANK,
        )
    elif cpu is not None:
        yield from _cpus(case, threads, cpu)


def _cpus(case: Case, threads: int, cpu: Cpu) -> Iterator[Finding]:
    """Libraries take no more threads than CPUs that they may run on; a quota makes them slower and nothing else."""
    allowed = min(cpu.threads or threads, cpu.affinity or cpu.threads or threads)
    if allowed < threads:
        found = f"{allowed} of {cpu.threads} by affinity" if allowed < cpu.threads else str(allowed)
        fix = "Give it more CPUs, or lock fewer threads for all."
        yield _finding("cpus", f"at least {threads}", found, fix, case.setting_severity(RULE))
    elif cpu.quota is not None and cpu.quota < threads:
        yield RULE.finding(
            "cpus",
            expected=f"time of {threads}",
            found=f"time of {cpu.quota:g} by a cgroup's quota",
            why="The locked threads wait for each other: slower, with the same numbers.",
            severity="info",
            impact="cosmetic",
            rank=SETTINGS_RANK,
        )


def _fixed(case: Case) -> bool:
    """Tell whether the lock fixes the number of threads by single variables."""
    return any(name in case.expected_variables for name in THREAD_VARIABLES)


def _only(values: Mapping[str, str], names: list[str]) -> dict[str, str]:
    return {name: values[name] for name in sorted(names)}


def _listed(values: Mapping[str, str]) -> str:
    """Return variables in few words: those of one value together."""
    groups: dict[str, list[str]] = {}
    for name, value in values.items():
        groups.setdefault(value, []).append(name)
    return "; ".join(
        f"{', '.join(names)} {value}" if value == "not set" else f"{', '.join(names)}={value}"
        for value, names in groups.items()
    )
