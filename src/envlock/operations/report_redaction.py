"""Takes out of a report whatever of it somebody else may have written and that says who or where somebody is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from envlock.errors import one_line
from envlock.model.numerics import Numerics, Probe
from envlock.model.observation import Interpreter, Variables
from envlock.model.redaction import redacted, unnamed
from envlock.model.report import Judged, Report, Told
from envlock.model.unknown import Unknown

_Record = TypeVar("_Record", bound=msgspec.Struct)


def redacted_report(report: Report, names: tuple[str, ...]) -> Report:
    """Return a report in which every text that somebody else may have written says nothing private.

    `names` are those of this machine and its user, and secrets.
    """

    def clean(text: str) -> str:
        return redacted(text, names)

    variables = report.variables
    if isinstance(variables, Variables):
        variables = msgspec.structs.replace(variables, values=_values_without(variables.values, names))
    distributions = report.distributions
    if not isinstance(distributions, Unknown):
        distributions = tuple(
            msgspec.structs.replace(
                each,
                name=one_line(each.name),
                version=_version(each.version, names),
                installer=redacted(each.installer),  # a file that anybody writes
                problem=clean(each.problem),
            )
            for each in distributions
        )
    python = report.interpreter
    if not isinstance(python, Unknown):
        python = Interpreter(
            implementation=redacted(python.implementation),
            version=redacted(python.version),
            system=redacted(python.system),
            machine=redacted(python.machine),
            libc=redacted(python.libc),
            contradictions=tuple(map(clean, python.contradictions)),
        )
    return _each_unknown(
        msgspec.structs.replace(
            report,
            interpreter=python,
            variables=variables,
            distributions=distributions,
            startup=tuple(msgspec.structs.replace(each, name=clean(each.name)) for each in report.startup),
            inputs=_inputs_without(report.inputs, clean),
            judged=_judged_without(report.judged, clean) if isinstance(report.judged, Judged) else report.judged,
            numerics=_numerics_without(report.numerics, names)
            if isinstance(report.numerics, Numerics)
            else report.numerics,
        ),
        clean,
    )


def _judged_without(judged: Judged, clean: Callable[[str], str]) -> Judged:
    """Return what a verification said, clean; a package keeps its name, whoever else has the same one."""

    def told(each: Told) -> Told:
        package = one_line(each.package)
        return msgspec.structs.replace(
            each,
            subject=package if each.subject == each.package else clean(each.subject),
            expected=clean(each.expected),
            found=clean(each.found),
            package=package,
        )

    return msgspec.structs.replace(judged, findings=tuple(map(told, judged.findings)))


def _numerics_without(numerics: Numerics, names: tuple[str, ...]) -> Numerics:
    """Return answers of probes whose conditions and reasons name nobody."""
    conditions = msgspec.structs.replace(
        numerics.conditions,
        variables=_values_without(numerics.conditions.variables, names),
        versions={name: _version(text, names) for name, text in numerics.conditions.versions.items()},
    )
    suites = tuple(
        msgspec.structs.replace(
            suite, version=_version(suite.version, names), reason=redacted(suite.reason, names), probes=probes
        )
        for suite in numerics.suites
        for probes in [tuple(_probe_without(probe, names) for probe in suite.probes)]
    )
    return msgspec.structs.replace(numerics, conditions=conditions, suites=suites)


def _probe_without(probe: Probe, names: tuple[str, ...]) -> Probe:
    answers = {
        which: msgspec.structs.replace(answer, reason=redacted(answer.reason, names))
        for which, answer in probe.answers.items()
    }
    return msgspec.structs.replace(probe, answers=answers)


def _values_without(values: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: unnamed(one_line(value), names) for name, value in sorted(values.items())}


def _version(text: str, names: tuple[str, ...]) -> str:
    """Return a version whose local label names nobody; what is no version may be anything."""
    from packaging.version import InvalidVersion, Version

    try:
        Version(text)
    except InvalidVersion:
        return redacted(text, names)
    public, plus, local = text.partition("+")
    return one_line(public) + plus + unnamed(one_line(local), names)


def _inputs_without(inputs: Mapping[str, str | None], clean: Callable[[str], str]) -> dict[str, str | None]:
    """Return data files by clean names; those that become one name are numbered, so that none is lost."""
    found: dict[str, str | None] = {}
    for name, digest in inputs.items():
        shown = clean(name)
        number = 1
        while (told := shown if number == 1 else f"{shown} ({number})") in found:
            number += 1
        found[told] = digest
    return found


def _each_unknown(record: _Record, clean: Callable[[str], str]) -> _Record:
    """Return a record whose reasons, its parts' too, are clean."""
    changed: dict[str, msgspec.Struct] = {}
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, Unknown):
            changed[name] = Unknown(reason=clean(value.reason), hint=clean(value.hint))
        elif isinstance(value, msgspec.Struct):
            changed[name] = _each_unknown(value, clean)
    return msgspec.structs.replace(record, **changed)
