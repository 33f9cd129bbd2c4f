"""Which locked dependencies are much newer than the framework, as text."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from envlock.model.as_of import Newer
from envlock.report.style import Style, plain, wrapped

_MOST = 12
_NAMED = 5


def newer_text(
    rows: Sequence[Newer], *, env: str, own: Collection[str] = (), style: Style = plain, width: int = 100
) -> str:
    """Return a table of dependencies uploaded over a year after the framework; empty where there are none.

    `own` names those that have a cutoff of their own, which as-of of the environment does not reach.
    """
    if not rows:
        return ""
    shown = rows[:_MOST]
    late = "1 dependency was" if len(rows) == 1 else f"{len(rows)} dependencies were"
    lines = [style(f"{late} uploaded over a year after {rows[0].framework}", "warn")]
    names = max(len(row.package) for row in shown)
    versions = max(len(row.version) for row in shown)
    for row in shown:
        after = style(f"{row.days / 365.25:.1f} years later", "faint")
        lines.append(f"  {row.package:<{names}}  {row.version:<{versions}}  {row.uploaded[:10]}  {after}")
    if len(rows) > _MOST:
        lines.append(style(f"  and {len(rows) - _MOST} more", "faint"))
    step = (
        f"as-of-packages of [env.{env}] exempts them, or -P did, which `envlock lock {env} -U` undoes"
        if all(row.package in own for row in rows)
        else f'as-of = "release" in [env.{env}], then `envlock lock`'
    )
    advice = f"It was never run with these when it was released, and may not even import. next: {step}"
    return "\n".join([*lines, *wrapped(advice, "  ", width)]) + "\n"


def undated_text(packages: Sequence[str]) -> str:
    """Return one line that says for which packages an index has no upload times; empty where it has."""
    if not packages:
        return ""
    named = ", ".join(packages[:_NAMED]) + (f" and {len(packages) - _NAMED} more" if len(packages) > _NAMED else "")
    return f"the index has no upload times (PEP 700) for {named}: as-of cannot limit them\n"
