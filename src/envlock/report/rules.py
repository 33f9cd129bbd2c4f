"""The rules as text: what each checks, why, how severe it is, and its source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, get_args

import msgspec

from envlock.model.factor_table import FACTORS, Factor
from envlock.model.finding import EXIT_CODES, Family, Nature, Outcome, Rule, Severity
from envlock.model.lock import Policy

_FAMILIES: dict[Family, str] = {
    "LOCK": "the lock, and what vouches for an image",
    "PKG": "installed packages",
    "FILE": "installed files",
    "PY": "the interpreter",
    "SYS": "the system below it",
    "CPU": "processors and memory",
    "ACC": "accelerators",
    "ENV": "settings",
    "NUM": "numbers",
}
_OUTCOMES: dict[Nature, Outcome] = {"drift": "drift", "unknown": "unverified", "integrity": "integrity"}
_KINDS = {
    "threads": "Threads",
    "kernels": "Kernels of the CPU",
    "accelerator": "Kernels of a GPU",
    "semantics": "What is computed",
    "devices": "Devices",
    "code": "Python code",
    "library": "Libraries",
}
_INTRODUCTION = """\
# Rules of `envlock verify`

One rule, one name: in the code, the tests, the output and here.
`envlock rule ID` says the same in a terminal, `envlock rule VARIABLE` what is known of an environment variable.

An **error** decides the exit code: 1 for drift, 3 for what could not be observed, 4 for bytes that contradict a digest;
where several hold, 4, then 1, then 3.
A **warning** counts with `--strict`, a **note** (info) never does.
The severity follows from the rule and the environment's `policy`.
`bitwise` asks for the same bits, `numeric` (the default) for the same numbers, `compatible` for what works.

The manifest may say otherwise, for the whole team, and no lock changes by it:

```toml
[env.tf25.verify]
rules = { package-extra = "error", python-patch = "off" }    # error | warning | info | off

[[env.tf25.verify.waivers]]
rule = "package-version"
subject = "pandas"                   # a glob; all subjects where it is left out
reason = "1.3.1 fixes our reader; same numbers, see #12"
until = 2027-03-31                   # the last day, by UTC
```

A severity that is lowered concerns drift alone.
What could not be observed stays an error until a waiver, with its reason and day, covers it;
bytes that contradict a digest can be neither lowered nor waived.
A waiver past its day is an error of its own, beside what it no longer covers.

Settings are judged where envlock or an image sets them: in `envlock run ENV -- envlock verify`, in images and
containers, and with `--on CLASS`.
In a plain shell they are told: as notes, and as warnings where a variable changes numbers and the lock does not set it.
"""


def severities(rule: Rule) -> dict[Policy, Severity]:
    """Return a rule's severity under each policy."""
    return {policy: rule.severity_under(policy) for policy in get_args(Policy)}


def exit_code(rule: Rule) -> int:
    """Return the exit code that an error of a rule ends in."""
    return EXIT_CODES[_OUTCOMES[rule.nature]]


def rules_json(rules: Iterable[Rule]) -> dict[str, Any]:
    """Return rules as a JSON document, schema 1: later versions of it only add keys."""
    rows = [
        msgspec.to_builtins(rule) | {"severities": severities(rule), "exit_code": exit_code(rule)} for rule in rules
    ]
    return {"schema": 1, "rules": rows}


def rules_text(rules: Iterable[Rule]) -> str:
    """Return one line for each rule, by family."""
    rows = by_family(rules)
    widest = max(len(rule.id) for rule in rows)
    return "".join(f"{rule.family:<5} {rule.id:<{widest}}  {rule.title}\n" for rule in rows)


def by_family(rules: Iterable[Rule]) -> list[Rule]:
    """Return rules in the order of the families, those of one family in their own order."""
    return sorted(rules, key=lambda rule: list(_FAMILIES).index(rule.family))


def rule_text(rule: Rule) -> str:
    """Return everything about one rule."""
    lines = [
        f"{rule.id} ({rule.family}: {_FAMILIES[rule.family]})",
        "",
        rule.title,
        "",
        f"Why:       {rule.why}",
        f"Impact:    {rule.impact}",
        f"Severity:  {_severity(rule)}",
        f"Exit code: {_consequence(rule)}",
    ]
    lines += [f"Source:    {_sentence(rule.source)}"] if rule.source else []
    return "\n".join(lines) + "\n"


def factor_text(factor: Factor) -> str:
    """Return everything about environment variables that change numbers or code."""
    lines = [
        ", ".join(factor.names),
        "",
        factor.what,
        "",
        f"Impact:    {factor.impact}",
        f"Read by:   {', '.join(factor.readers) or 'every program'}",
        f"Rule:      {_rule_of(factor)}",
        f"Source:    {_sentence(factor.source)}",
    ]
    return "\n".join(lines) + "\n"


def rules_markdown(rules: Iterable[Rule]) -> str:
    """Return the reference page of all rules, and of the variables that they look at."""
    rows = list(rules)
    lines = [_INTRODUCTION]
    for family, name in _FAMILIES.items():
        own = [rule for rule in rows if rule.family == family]
        if own:
            lines += [f"## {family}: {name}", ""]
        for rule in own:
            lines += [f"### {rule.id}", "", rule.title, rule.why]
            lines += [f"Severity: {_severity(rule)}. Impact: {rule.impact}. Exit code: {_consequence(rule)}."]
            lines += [f"Source: {_sentence(rule.source)}"] if rule.source else []
            lines += [""]
    return "\n".join([*lines, *_variables()])


def _variables() -> Iterator[str]:
    yield "## Environment variables that change numbers or code"
    yield ""
    yield "A variable counts where a package that reads it is locked; without one named here, where Python itself does."
    yield "`envlock run` passes none of those on that change numbers, unless the lock sets them or `-e` names them;"
    yield "(*) marks those that schedulers and test runners set, which are only told."
    for kind, name in _KINDS.items():
        yield from ("", f"### {name}", "", "| variable | what it does | source |", "| --- | --- | --- |")
        for factor in FACTORS:
            if factor.kind == kind:
                names = ", ".join(f"`{each}`" for each in factor.names)
                yield f"| {names}{' (*)' if factor.ambient else ''} | {factor.what} | {factor.source} |"
    yield ""


def _rule_of(factor: Factor) -> str:
    """Return the rule that looks at variables of a kind; the one that holds values against the lock sees them all."""
    own = {"threads": "threads-count", "code": "python-path", "library": "preload"}.get(factor.kind, "variable-unset")
    return f"variable-value where the lock sets it, else {own}"


def _severity(rule: Rule) -> str:
    """Return the severity, with the policies under which it is another one."""
    others = [
        f"{severity} under {policy}" for policy, severity in severities(rule).items() if severity != rule.severity
    ]
    return "; ".join([rule.severity, *others])


def _consequence(rule: Rule) -> str:
    """Return the exit code of findings with the rule's usual severity."""
    if rule.severity == "info":
        return "none, it is a note"
    return f"{exit_code(rule)}{' with --strict' if rule.severity == 'warning' else ''}"


def _sentence(text: str) -> str:
    return text if text.endswith(".") else text + "."
