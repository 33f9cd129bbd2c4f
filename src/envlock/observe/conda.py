"""Reads conda-meta, where conda, mamba and micromamba say what they installed."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from envlock.errors import UsageError
from envlock.model import records
from envlock.model.observation import Distribution, File


class CondaPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A package of a conda environment, as its conda-meta/*.json says."""

    name: str
    """Conda's, which need not be the index's: `pytorch` is torch there."""
    version: str
    build: str = ""
    files: tuple[str, ...] = ()
    """Relative to the environment."""

    @property
    def metadata_folders(self) -> frozenset[str]:
        """The .dist-info and .egg-info folders (or files) among its files, relative to the environment."""
        parts = (path.split("/") for path in self.files)
        return frozenset(
            posixpath.join(*part[: at + 1])
            for part in parts
            for at, folder in enumerate(part)
            if folder.endswith((".dist-info", ".egg-info"))
        )


def read_conda_packages(prefix: Path) -> tuple[CondaPackage, ...]:
    """Return what conda installed below `prefix`, sorted by name; nothing where conda did not make it.

    Raises UsageError (`bad-conda-meta`) for a file that conda did not write.
    """
    found = []
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        try:
            found.append(records.from_json(path.read_bytes(), CondaPackage))
        except (OSError, msgspec.DecodeError, RecursionError) as error:
            raise UsageError(
                "bad-conda-meta",
                "What conda says of an installed package cannot be read.",
                where=str(path),
                found=str(error),
                hint="Ask conda to mend it: conda install --force-reinstall " + path.name.rpartition("-")[0],
            ) from None
    return tuple(sorted(found, key=lambda package: package.name))


class LinkedPath(msgspec.Struct, frozen=True):
    """A path that conda put into an environment, with the digests that conda-meta has of it."""

    path: str = msgspec.field(name="_path")
    """Relative to the environment."""
    sha256: str = ""
    sha256_in_prefix: str = ""
    path_type: str = ""

    @property
    def digest(self) -> str:
        """Its sha256 as it lies there; empty where conda has none, and for links and what may be compiled again."""
        if self.path_type == "softlink" or self.path.endswith(".pyc"):
            return ""
        return self.sha256_in_prefix or self.sha256


class LinkedPaths(msgspec.Struct, frozen=True):
    """The `paths_data` of a conda-meta/*.json."""

    paths: tuple[LinkedPath, ...] = ()


class _Listing(msgspec.Struct, frozen=True):
    files: tuple[str, ...] = ()
    paths_data: LinkedPaths = LinkedPaths()


def with_conda(
    distributions: Iterable[Distribution], files: Mapping[str, File], prefix: str
) -> tuple[Distribution, ...]:
    """Return the distributions, those marked that conda installed below `prefix`.

    INSTALLER says what anybody writes there. A package is conda's where conda-meta lists its metadata, and where
    every file that was hashed has the digest that conda-meta has of it, if it has one: conda wrote those once.
    """
    known = tuple(distributions)
    folders = {each.folder for each in known if each.installer.startswith("conda")}
    vouched = set(_vouched(folders, files, prefix.rstrip("/"))) if folders else set()
    return tuple(msgspec.structs.replace(each, by_conda=True) if each.folder in vouched else each for each in known)


def _vouched(folders: set[str], files: Mapping[str, File], prefix: str) -> Iterator[str]:
    for path in sorted(Path(prefix, "conda-meta").glob("*.json")):
        try:
            listing = records.from_json(path.read_bytes(), _Listing)
        except (OSError, msgspec.DecodeError, RecursionError):
            continue
        listed = {posixpath.dirname(f"{prefix}/{name}") for name in listing.files if name.endswith("/METADATA")}
        if found := listed & folders:
            rows = listing.paths_data.paths
            if not any(_is_other(row, files.get(f"{prefix}/{row.path}")) for row in rows):
                yield from found


def _is_other(row: LinkedPath, file: File | None) -> bool:
    """Tell whether a file is another one than conda put there."""
    return file is not None and file.sha256 != "" and row.digest not in ("", file.sha256)
