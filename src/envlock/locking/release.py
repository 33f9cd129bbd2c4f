"""Release files of suites: nothing of them is read before a shipped key has vouched for it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec

from envlock.errors import IntegrityError, UsageError
from envlock.formats.control import paragraph
from envlock.model.artifact import Suite

if TYPE_CHECKING:
    from pysequoia import Cert

_ORIGINS = {
    "debian": ("Debian", "Codename"),
    "debian-security": ("Debian-Security", "Codename"),
    "ubuntu": ("Ubuntu", "Suite"),
    "ubuntu-ports": ("Ubuntu", "Suite"),
}
"""Archive to its label, and to the field that tells its suites apart: all of a release of Ubuntu have one codename."""


class IndexFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file that a release file lists, by its path below the suite."""

    path: str
    size: int
    sha256: str


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """What a verified InRelease says."""

    suite: Suite
    by_hash: bool
    separate_all: bool
    """Whether packages of architecture `all` are in an index of their own alone."""
    index_files: dict[str, IndexFile]
    components: tuple[str, ...] = ("main",)
    """Whose packages are read."""
    architectures: tuple[str, ...] = ()
    """Whose packages are taken from this archive; of all where none is named."""


def read_release(raw: bytes, *, archive: str, suite: str, now: datetime) -> Release:
    """Verify the bytes of an InRelease and read the text that was signed.

    Raises IntegrityError (`bad-signature`, `wrong-suite`) and UsageError (`release-expired`, at `now`).
    """
    where = f"{archive} {suite} InRelease"
    text, signer = _verified(raw, archive.partition("-")[0], where)
    try:
        fields = paragraph(text)
        date = _time(fields["Date"])
        expiry = _time(fields["Valid-Until"]) if "Valid-Until" in fields else None
        index_files = dict(_index_files(fields["SHA256"]))
    except (KeyError, ValueError) as error:
        raise IntegrityError("bad-release", f"The release file cannot be read: {error}.", where=where) from error
    _check_origin(fields, archive, suite, where)
    if expiry and now > expiry:
        raise UsageError(
            "release-expired",
            "The release file is past its Valid-Until: the mirror is stale, or somebody keeps updates back.",
            where=where,
            expected=f"valid at {now:%Y-%m-%dT%H:%M:%SZ}",
            found=f"valid until {expiry:%Y-%m-%dT%H:%M:%SZ}",
            hint="check this machine's clock, or use another mirror (ENVLOCK_DEBIAN_SOURCES)",
        )
    architectures = fields.get("Architectures", "").split()
    return Release(
        suite=Suite(
            archive=archive,
            suite=suite,
            date=f"{date:%Y-%m-%dT%H:%M:%SZ}",
            sha256=hashlib.sha256(raw).hexdigest(),
            signer=signer,
        ),
        by_hash=fields.get("Acquire-By-Hash") == "yes",
        separate_all="all" in architectures and "Packages" not in fields.get("No-Support-for-Architecture-all", ""),
        index_files=index_files,
    )


def _verified(raw: bytes, vendor: str, where: str) -> tuple[str, str]:
    """Return the signed text and the fingerprint of the vendor's certificate whose signature holds."""
    import pysequoia

    try:
        result = pysequoia.verify(raw, store=lambda _: list(_certificates(vendor)))
    except RuntimeError as error:
        raise IntegrityError(
            "bad-signature",
            f"The release file is not signed by an archive key of {vendor.capitalize()} that envlock ships.",
            where=where,
            found=str(error).partition("\n")[0],
            hint="use another mirror; a proxy that rewrites text/plain breaks signatures too",
        ) from error
    if not result.valid_sigs or result.bytes is None:
        raise IntegrityError("bad-signature", "The release file carries no valid signature.", where=where)
    return bytes(result.bytes).decode("utf-8"), result.valid_sigs[0].certificate.upper()


@cache
def _certificates(vendor: str) -> tuple[Cert, ...]:
    """Return the keys of one vendor: they vouch for nobody else's archives."""
    from pysequoia import Cert

    keys = sorted((files("envlock") / "data" / "keys").iterdir(), key=lambda key: key.name)
    own = [key for key in keys if key.name.startswith(f"{vendor}-") and key.name.endswith(".gpg")]
    return tuple(cert for key in own for cert in Cert.split_bytes(key.read_bytes()))


def _check_origin(fields: dict[str, str], archive: str, suite: str, where: str) -> None:
    # A mirror may serve any signed release file under any name: the text says which one it is.
    label, field = _ORIGINS[archive]
    found = f"{fields.get('Label')} {fields.get(field)}"
    expected = f"{label} {suite}"
    if found != expected:
        raise IntegrityError(
            "wrong-suite", "The release file is of another suite.", where=where, expected=expected, found=found
        )


def _time(text: str) -> datetime:
    return parsedate_to_datetime(text.replace("UTC", "+0000"))


def _index_files(field: str) -> list[tuple[str, IndexFile]]:
    rows = [line.split() for line in field.splitlines() if line.strip()]
    return [(path, IndexFile(path=path, size=int(size), sha256=sha256)) for sha256, size, path in rows]
