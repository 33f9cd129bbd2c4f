"""Files known by their sha256: wheels and Debian packages as a lock lists them."""

from __future__ import annotations

from typing import Annotated

import msgspec

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
"""64 hex digits; they become folders of the cache."""
FileName = Annotated[str, msgspec.Meta(pattern=r"^(?!\.{1,2}\Z)[^/\\\x00-\x1f]+\Z")]
"""One component of a path."""
RelativePath = Annotated[str, msgspec.Meta(pattern=r"^(?!(.*/)?\.{0,2}(/|\Z))[^\\\x00-\x1f]+\Z")]
"""A path below some folder that stays there: no empty component, no `.`, no `..`."""

Version = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9.!+~:_-]+\Z")]
"""Of a Python or Debian package: nothing that a shell, a URL or a file name reads otherwise."""
PackageName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9.+-]*\Z")]
"""Of a Python project, normalised, or of a Debian package."""


class Wheel(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """One wheel of a locked package (PEP 751, packages.wheels), with envlock's own digests of what is inside.

    Exactly one of `url` and `path` is set. `path` is relative to the lock file.
    """

    name: FileName
    size: int
    sha256: Sha256
    contents: Sha256
    """sha256 over the installed files, see `formats.contents`."""
    record: Sha256
    """sha256 of the bytes of the wheel's RECORD."""
    url: str | None = None
    path: RelativePath | None = None
    upload_time: str | None = None
    """RFC 3339, as the index gave it; only where `url` is."""


class Sdist(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """The source distribution that a wheel was built from."""

    name: FileName
    size: int
    sha256: Sha256


class Requirement(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """An exact wheel in the environment of a build (PEP 518 build requirement, resolved)."""

    name: PackageName
    version: Version
    file: FileName
    size: int
    sha256: Sha256
    build: Build | None = None
    """Where it was itself built of an sdist."""


class Build(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """How a wheel was made of an sdist: everything that its bytes depend on besides the base's packages."""

    sdist: Sdist
    requires: tuple[Requirement, ...]


class Deb(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """One Debian binary package, found again by pool path and sha256 on any mirror of its archive."""

    name: PackageName
    version: Version
    architecture: PackageName
    archive: str
    """`debian` or `debian-security`: the last component of a mirror's URL."""
    path: RelativePath
    """Pool path below the archive's root."""
    size: int
    sha256: Sha256


class Suite(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """A release file that packages were resolved from, and who signed it."""

    archive: str
    suite: str
    date: str
    """RFC 3339, from the Date field."""
    sha256: Sha256
    """Of the bytes of InRelease."""
    signer: str
    """Fingerprint of the certificate whose signature was verified."""
