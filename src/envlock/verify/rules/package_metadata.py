"""package-metadata: the metadata of an installed distribution cannot be believed."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case

RULE = Rule(
    id="package-metadata",
    family="PKG",
    title="The metadata of every installed distribution can be read and agrees with itself.",
    why="What cannot be read cannot be compared; pip, uv and importlib.metadata may each see something else.",
    nature="unknown",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield one finding for each broken .dist-info, and for each RECORD that names files outside the environment."""
    environment = case.environment
    if environment is None:
        return
    for distribution in environment.distributions:
        if distribution.problem:
            locked = distribution.name in case.locked
            proof = case.proofs.get(distribution.name)
            if proof is not None and proof.state in ("contradicted", "proven"):
                continue  # file-tampered or installer-note names the file
            yield RULE.finding(
                posixpath.basename(distribution.folder),
                expected="METADATA with Name and Version",
                found=distribution.problem,
                fix=case.reinstall(),
                package=distribution.name,
                path=case.shown(distribution.folder),
                severity="error" if locked else "warning",
            )
    for name, distribution in case.matching.items():
        if (
            not environment.hashed  # else its files are judged by the lock's own digest
            and distribution.folder.endswith(".dist-info")
            and not (distribution.problem or (distribution.direct_url and distribution.direct_url.editable))
            and case.claims[distribution.folder].record is None
        ):
            yield RULE.finding(
                posixpath.basename(distribution.folder),
                expected="RECORD, the list of its files",
                found="there is none, or it cannot be read",
                fix=case.reinstall(),
                package=name,
                path=case.shown(distribution.folder),
            )
    for oddity in environment.oddities:
        yield RULE.finding(
            oddity.partition("/")[0],
            expected="files of the environment",
            found=oddity,
            fix=case.reinstall(),
            nature="drift",
            impact="security",
        )
