"""record-contradiction: an installed RECORD is not true of files that are themselves proven."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from envlock.formats.dist_info import SIGNATURES
from envlock.formats.launcher import any_body
from envlock.model.finding import Finding, Rule
from envlock.model.observation import Environment
from envlock.verify.case import Case
from envlock.verify.claim import Claim
from envlock.verify.proof import Proof, original_digests

RULE = Rule(
    id="record-contradiction",
    family="FILE",
    needs="bytes",
    title="Every row of an installed RECORD is true.",
    why="Whatever reads RECORD next, an uninstall among them, acts on a forged or damaged list.",
    nature="integrity",
    impact="security",
    source="Recording installed projects, packaging.python.org",
)
_PYC = re.compile(r"(?P<folder>.*/|)__pycache__/(?P<module>[^/]+?)\.(?P<tag>[a-z]+-?[0-9-]+)(\.opt-[12])?\.pyc")
_LENGTHS = {"sha224": 38, "sha256": 43, "sha384": 64, "sha512": 86}


def check(case: Case) -> Iterator[Finding]:
    """Yield one finding for each RECORD of a proven package that contradicts the package's files."""
    environment = case.environment
    if environment is None:
        return
    for name, proof in case.proofs.items():
        if proof.state != "proven" or (problem := _problem(proof, environment)) is None:
            continue
        own = f"{proof.distribution.folder}/RECORD"
        path = case.shown(
            next((note for note in _stamps(proof) if f"{posixpath.basename(note)}' has another" in problem), own)
        )
        yield RULE.finding(
            f"{name}: {path}",
            expected="rows of RECORD that are true of the package's files",
            found=problem,
            fix=case.reinstall(),
            package=name,
            path=path,
            nature=None if proof.claim.record else "drift",
            rank=case.influence(name).rank,
        )


def _stamps(proof: Proof) -> Iterator[str]:
    """Yield the files that nothing but RECORD can vouch for: they are named where it contradicts them."""
    for name in ("direct_url.json", "uv_cache.json"):
        yield f"{proof.distribution.folder}/{name}"


def _problem(proof: Proof, environment: Environment) -> str | None:
    """Return the first thing that is wrong with the RECORD of a proven package."""
    claim = proof.claim
    if claim.record is None:
        return "there is none, or it cannot be read"
    if claim.record.malformed:
        return f"a line that claims nothing: {claim.record.malformed[0][:120]!r}"
    if len(claim.rows) != len(claim.record.rows):
        return "two rows for one file"
    own = f"{proof.distribution.folder}/"
    tags = set()
    for path, row in claim.rows.items():
        file = environment.files.get(path)
        if not row.hash:
            if path.endswith(".pyc"):
                match = _PYC.fullmatch(path)
                if match:
                    tags.add(match["tag"])
                    source = f"{match['folder']}{match['module']}.py"
                    if source not in claim.rows:
                        return f"row {row.path!r} is the bytecode of no file of the package"
                elif file is None:
                    return f"row {row.path!r} names no file"
            elif path not in {own + name for name in SIGNATURES}:
                return f"row {row.path!r} has no hash"
            elif row.size is not None and (file is None or posixpath.basename(path) == "RECORD"):
                return f"row {row.path!r} has a size and no hash"
            continue
        if file is None:
            if path in claim.launchers or path.endswith(".pyc"):
                continue  # file-missing tells it, a missing cache is nothing
            return f"row {row.path!r} names no file"
        if path in claim.launchers and proof.distribution.by_conda:
            continue  # conda writes launchers itself, whatever RECORD says; launcher-altered judges their text
        algorithm, _, digest = row.hash.partition("=")
        if len(digest.rstrip("=")) != _LENGTHS.get(algorithm):
            return f"row {row.path!r} has the hash {row.hash!r}"
        if path.endswith(".pyc") and file.sha256 != row.sha256:
            continue  # compiled again since; bytecode-altered judges it
        if file.content and path not in claim.launchers and row.sha256 in original_digests(any_body(file.content)):
            continue  # pip before 19 left the hash of the script as it was in the wheel
        if path == f"{own}METADATA" and file.sha256 != row.sha256 and file.size != row.size:
            continue  # published so, see formats.wheel; the locked contents prove the file
        if algorithm == "sha256" and file.sha256 != row.sha256:
            return f"row {row.path!r} has another sha256 than the file"
        if row.size is not None and row.size != file.size:
            return f"row {row.path!r} gives {row.size} bytes, the file has {file.size}"
        if row.size is None:
            return f"row {row.path!r} has no size"
    if len(tags) > 1:
        return f"it lists bytecode of several interpreters: {', '.join(sorted(tags))}"
    return _unlisted(proof, claim, environment)


def _unlisted(proof: Proof, claim: Claim, environment: Environment) -> str | None:
    """Name a file of the package that RECORD does not list."""
    listed = sum(1 for path in claim.payload(bytecode=True) if path in environment.files)
    if proof.files > listed:
        return f"it lists {listed} of the wheel's {proof.files} files"
    for path in sorted(claim.launchers):
        if path in environment.files and path not in claim.rows and not proof.distribution.by_conda:
            return f"it does not list {posixpath.basename(path)!r}"
    if f"{proof.distribution.folder}/RECORD" not in claim.rows:
        return "it does not list itself"
    return None
