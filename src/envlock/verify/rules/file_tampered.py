"""file-tampered: the bytes of an installed file contradict the locked wheel."""

from __future__ import annotations

from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="file-tampered",
    family="FILE",
    needs="bytes",
    title="Every installed file has the bytes that the locked wheel holds.",
    why="The version is right and the code is not: nothing but the bytes shows it.",
    nature="integrity",
    impact="security",
    source="The lock's `contents` digest; the wheel's RECORD, known by its digest, names the file.",
)
_SHOWN = 20


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each file of a locked package whose bytes are not the wheel's."""
    for name, proof in case.proofs.items():
        if proof.state != "contradicted":
            continue
        influence = case.influence(name)
        bad = [blemish for blemish in proof.blemishes if blemish.kind != "missing"]
        for at, blemish in enumerate(bad):
            more = len(bad) - at - 1 if at == _SHOWN - 1 else 0
            shown = case.shown(blemish.path)
            rewritten = "; RECORD was rewritten to match" if blemish.covered and blemish.kind == "changed" else ""
            yield RULE.finding(
                f"{name}: {shown}",
                expected=blemish.expected,
                found=blemish.found + rewritten + (f"; and {more} more files" if more else ""),
                fix=case.reinstall() + _cache(name, case, blemish.path),
                why=_why(blemish.kind, influence.impact == "results"),
                package=name,
                path=shown,
                impact="results" if influence.impact == "results" else "security",
                rank=influence.rank,
            )
            if more:
                break


def _cache(name: str, case: Case, path: str) -> str:
    """Return what to do besides, where an installer's cache shares the bad file: it would install it again.

    `envlock sync` itself copies each file out of the wheel, whatever the cache of uv holds.
    """
    file = case.environment.files.get(path) if case.environment is not None else None
    if case.image is not None or file is None or file.links < 2:
        return ""
    return f" && uv cache clean {name}   (the file has {file.links} names: an installer's cache shares it)"


def _why(kind: str, results: bool) -> str:
    if kind == "unnamed":
        return "The files are not the locked wheel's, though RECORD agrees with them: only the wheel's own names which."
    if kind == "added":
        return "RECORD lists a file that the locked wheel does not hold."
    return "It takes part in computing the results." if results else RULE.why
