"""variable-value: a variable that the lock sets has another value, or is not set."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.factors import OTHER, factor_of
from envlock.model.finding import Finding, Rule
from envlock.model.influence import SETTINGS_RANK
from envlock.model.lock import THREAD_VARIABLES
from envlock.model.observation import Unknown, Variables
from envlock.model.redaction import redacted
from envlock.verify.case import Case
from envlock.verify.known import fact_about_setting

RULE = Rule(
    id="variable-value",
    family="ENV",
    title="Every environment variable that the lock sets has its locked value, where envlock or an image sets them.",
    why="It chooses kernels, their order or their seed, or whatever else the lock sets it for.",
    policies={"compatible": "warning"},
    impact="results",
    source="Measured, see docs/numerics-measured.md: OPENBLAS_CORETYPE, NPY_DISABLE_CPU_FEATURES, "
    "TF_ENABLE_ONEDNN_OPTS, ATEN_CPU_CAPABILITY",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each variable; in a plain shell one that tells what `envlock run` would set."""
    expected = case.expected_variables
    if isinstance(case.observation.variables, Unknown) and expected:
        yield RULE.finding(
            "settings",
            expected=_listed(expected),
            found=case.observation.variables.reason,
            fix=case.observation.variables.hint,
            nature="unknown",
            severity="error" if case.judges_settings else "info",
            rank=SETTINGS_RANK,
        )
    if case.variables is None or case.is_vouched:
        return
    found = case.variables.values
    if not case.judges_settings and expected and not found.keys() & expected.keys():
        yield RULE.finding(
            "settings",
            expected=_listed(expected),
            found="not set in this shell" if case.variables.origin == "shell" else "not set there",
            fix=f"envlock run {case.lock.env} -- …",
            why="`envlock run` and the image set them; what is started otherwise computes without them.",
            severity="info",
            rank=SETTINGS_RANK,
        )
        return
    for name, value in sorted(expected.items()):
        if name in THREAD_VARIABLES or _agrees(case.variables, name, value):
            continue  # threads-count tells of threads, once
        if name not in found and not case.judges_settings:
            continue
        factor = factor_of(name)
        unseen = factor is None and case.variables.origin == "report"
        yield RULE.finding(
            name,
            expected=_value(value),
            found="not in a report" if unseen else _value(found[name]) if name in found else "not set",
            fix=case.start,
            why=fact_about_setting(name, case.locked)
            or (factor.what if factor else "The lock sets it for programs to read."),
            nature="unknown" if unseen else None,
            severity="info" if unseen else case.setting_severity(RULE),
            impact=factor.impact if factor else "compat",
            rank=SETTINGS_RANK,
        )


def _agrees(variables: Variables, name: str, value: str) -> bool:
    """Tell whether a variable has its locked value; in a report what is private of both is taken out."""
    found = variables.values.get(name)
    return found == value or (variables.origin == "report" and found == redacted(value))


def _value(text: str) -> str:
    return text if text == OTHER else repr(text) if not text or text != text.strip() else text


def _listed(variables: dict[str, str]) -> str:
    names = sorted(variables)
    more = f" and {len(names) - 3} more" if len(names) > 4 else ""
    return ", ".join(names[: 3 if more else 4]) + more
