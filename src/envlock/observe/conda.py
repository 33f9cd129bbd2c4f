"""Reads conda-meta, where conda, mamba and micromamba say what they installed."""

from __future__ import annotations

import posixpath
from pathlib import Path

import msgspec

from envlock.errors import UsageError
from envlock.model import records


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
