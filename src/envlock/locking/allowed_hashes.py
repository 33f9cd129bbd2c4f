"""Hashes that requirements files and other tools' locks give: what is locked must be one of those files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from envlock.errors import IntegrityError
from envlock.locking.select import Selected
from envlock.model.platform import Platform


class AllowedHash(msgspec.Struct, frozen=True, kw_only=True):
    """One file that may stand for a release."""

    name: str
    """Normalised."""
    version: str
    """Normalised (PEP 440)."""
    digest: str
    """`sha256:` and hex digits, or another algorithm's, which a lock cannot compare."""
    where: str
    """The file that says so, as the manifest names it."""


def allowed(name: str, version: str, digests: Iterable[str], where: str) -> tuple[AllowedHash, ...]:
    """Return the hashes of one release."""
    from packaging.utils import canonicalize_name, canonicalize_version

    release = (str(canonicalize_name(name)), canonicalize_version(version))
    return tuple(AllowedHash(name=release[0], version=release[1], digest=digest, where=where) for digest in digests)


def hashes_of_uv_lock(document: Mapping[str, Any], where: str) -> tuple[AllowedHash, ...]:
    """Return the hashes of every release that a uv.lock has from an index."""
    rows: list[AllowedHash] = []
    for package in document.get("package", []):
        files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
        rows += allowed(package["name"], package.get("version", "0"), [f["hash"] for f in files if "hash" in f], where)
    return tuple(rows)


def hashes_of_poetry_lock(document: Mapping[str, Any], where: str) -> tuple[AllowedHash, ...]:
    """Return the hashes of every release of a poetry.lock; before version 2 they stand in `metadata.files`."""
    elsewhere = document.get("metadata", {}).get("files", {})
    rows: list[AllowedHash] = []
    for package in document.get("package", []):
        files = package.get("files") or elsewhere.get(package["name"], [])
        rows += allowed(package["name"], package["version"], [file["hash"] for file in files], where)
    return tuple(rows)


def check_hashes(resolutions: Mapping[Platform, Sequence[Selected]], hashes: Iterable[AllowedHash]) -> None:
    """Refuse a selected file that is not among those that its release may have (`hash-not-allowed`).

    A release without a sha256 anywhere in `hashes` is not judged.
    """
    from packaging.utils import canonicalize_version

    known: dict[tuple[str, str], dict[str, str]] = {}
    for row in hashes:
        if row.digest.startswith("sha256:"):
            known.setdefault((row.name, row.version), {})[row.digest.removeprefix("sha256:").lower()] = row.where
    for rows in resolutions.values():
        for selected in rows:
            digests = known.get((selected.package, canonicalize_version(selected.version)))
            if digests is not None and selected.sha256 not in digests:
                raise IntegrityError(
                    "hash-not-allowed",
                    f"The index's file of {selected.package} {selected.version} is none that {min(digests.values())} "
                    "gives a hash for.",
                    where=selected.name,
                    expected="sha256 " + " or ".join(sorted(digests)[:3]) + (" or …" if len(digests) > 3 else ""),
                    found=f"sha256 {selected.sha256}",
                    hint="Find out which of the two is right before you change either; another platform's file may "
                    "only lack its hash.",
                )
