"""package-source: a package of the locked version came from somewhere else than the locked wheel."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="package-source",
    family="PKG",
    title="Every package was installed from its locked wheel.",
    why="A checkout or another archive of the same version may hold other code.",
    source="PEP 610",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each package whose direct_url.json names another origin; bytes that are proven excuse it."""
    for name, (_, wheel) in case.image_wheels.items():
        if case.environment is None and name in case.matching and wheel.sha256 != case.locked[name][1].sha256:
            yield _finding(case, name, f"{wheel.name}, sha256 {wheel.sha256}")
    for name, distribution in case.matching.items():
        direct_url, wheel = distribution.direct_url, case.locked[name][1]
        if direct_url is None or direct_url.editable or _proven(case, name):
            continue
        if distribution.by_conda and direct_url.url.startswith("file:"):
            if name not in case.proofs:  # package-rebuilt tells it where files were compared
                yield _finding(case, name, "conda's package of this version")
            continue
        file = unquote(urlsplit(direct_url.url).path).rpartition("/")[2]
        if not direct_url.vcs and file == wheel.name and direct_url.sha256 in ("", wheel.sha256):
            continue
        yield _finding(case, name, f"{direct_url.vcs}+{direct_url.url}" if direct_url.vcs else direct_url.url)


def _finding(case: Case, name: str, found: str) -> Finding:
    influence = case.influence(name)
    wheel = case.locked[name][1]
    return RULE.finding(
        name,
        expected=f"{wheel.name}, sha256 {wheel.sha256}" if "sha256" in found else wheel.name,
        found=found,
        fix=case.reinstall(),
        package=name,
        impact=influence.impact,
        rank=influence.rank,
    )


def _proven(case: Case, name: str) -> bool:
    proof = case.proofs.get(name)
    return proof is not None and proof.state == "proven"
