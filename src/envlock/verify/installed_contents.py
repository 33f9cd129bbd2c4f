"""The `contents` digest of what is installed, computed where nobody knows the wheel that it came from."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable
from itertools import product

from envlock.formats.contents import Row, contents_digest
from envlock.formats.launcher import body_of, shebangs
from envlock.model.observation import Distribution, Environment, File
from envlock.verify.claim import Claim, claim_of, placed


def installed_contents(distribution: Distribution, environment: Environment) -> tuple[str, ...]:
    """Return the digests that a lock may give the wheel of these files, sorted; empty where they cannot be told.

    Without the wheel it stays open whether .pyc files with a hash in RECORD came with it, and whether what lies among
    the scripts was data of it: each reading has its digest, and most distributions have one reading alone. Files must
    have been hashed.
    """
    claim = claim_of(distribution, environment)
    if claim.record is None or not environment.hashed or not distribution.folder.endswith(".dist-info"):
        return ()
    bytecode = any(True for path in claim.payload(bytecode=True) if path.endswith(".pyc"))
    scripts = any(not path.startswith(_site(distribution)) for path in claim.payload())
    known = tuple(shebangs(environment.layout.pythons))
    found = set()
    for shipped, as_data in product((False, True) if bytecode else (False,), (False, True) if scripts else (False,)):
        rows = _rows(distribution, claim, environment, known, shipped=shipped, as_data=as_data)
        if rows is not None:
            found.add(contents_digest(rows))
    return tuple(sorted(found))


def _site(distribution: Distribution) -> str:
    return posixpath.dirname(distribution.folder) + "/"


def _rows(
    distribution: Distribution,
    claim: Claim,
    environment: Environment,
    known: Iterable[bytes],
    *,
    shipped: bool,
    as_data: bool,
) -> list[Row] | None:
    rows = []
    site = posixpath.dirname(distribution.folder)
    for path in claim.payload(bytecode=shipped):
        file = environment.files.get(path)
        place = placed(path, site, environment.layout, as_data=as_data)
        if path.endswith(".pyc") and place is not None:
            stated = claim.rows[path]  # Python may have written it anew since
            rows.append(Row(*place, stated.sha256 or "", stated.size or 0))
        elif file is None or file.problem or not file.sha256 or place is None:
            return None
        else:
            rows.append(_row(place, file, known))
    return rows


def _row(place: tuple[str, str], file: File, known: Iterable[bytes]) -> Row:
    body = body_of(file.content, known) if place[0] == "scripts" and file.content is not None else None
    if body is None:
        return Row(*place, file.sha256, file.size)
    return Row(*place, hashlib.sha256(body).hexdigest(), len(body))
