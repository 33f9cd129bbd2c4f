"""Writes the settings that uv is run with: a uv.toml of the indexes, and their credentials as variables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
import tomlkit

from envlock.adapters.credentials import Credentials, variable
from envlock.adapters.pinned import PinnedFile, PinnedPages
from envlock.model.index import Indexes
from envlock.model.manifest import cutoff_of


class UvSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of uv is given."""

    text: str
    """Of a uv.toml for `--config-file`, without a credential in it."""
    environment: dict[str, str]
    """Variables with the credentials: never a command line, never a file."""
    files: dict[str, PinnedFile]
    """By sha256: files whose size and upload time uv is not told."""


def settings_for(
    indexes: Indexes,
    credentials: Credentials,
    pinned: PinnedPages | None,
    folder: Path,
    *,
    cutoff: str | None,
    package_cutoffs: Mapping[str, str],
) -> UvSettings:
    """Return the settings for one run; pages of projects with an index of their own are written below `folder`.

    `cutoff` and `package_cutoffs` are RFC 3339, and for a package also `none`. Without `pinned` such projects are not
    kept to their index.
    """
    pages, files = None, {}
    if pinned is not None and indexes.pinned:
        pages = folder / "pinned"
        files = pinned.write(pages, cutoff=cutoff, package_cutoffs=package_cutoffs)
    text = uv_settings(indexes, cutoff, package_cutoffs, pages=pages)
    return UvSettings(text=text, environment=uv_environment(indexes, credentials), files=files)


def uv_settings(
    indexes: Indexes,
    cutoff: str | None,
    package_cutoffs: Mapping[str, str],
    *,
    pages: Path | None = None,
) -> str:
    """Return a uv.toml; `pages` is a folder of pages that stands before all indexes, see `adapters.pinned`."""
    document = tomlkit.document()
    if pages is not None or any(index.as_of is not None for index in indexes.entries):
        # uv warns of the per-index setting on each run unless it is asked for by this name.
        document["preview-features"] = ["index-exclude-newer"]
    document["index-strategy"] = indexes.strategy
    if indexes.keyring:
        document["keyring-provider"] = "subprocess"
    if indexes.insecure_hosts:
        document["allow-insecure-host"] = list(indexes.insecure_hosts)
    if indexes.system_certs:
        document["system-certs"] = True
    if cutoff is not None:
        document["exclude-newer"] = cutoff
    cutoffs = {name: _cutoff(text) for name, text in sorted(package_cutoffs.items())}
    if pages is not None:
        # A package's own cutoff counts before an index's, and the pages have no upload times.
        cutoffs |= {name: False for name in indexes.pinned if name in cutoffs}
    if cutoffs:
        document["exclude-newer-package"] = cutoffs
    tables = tomlkit.aot()
    if pages is not None:
        # The first index that knows a name is the only one asked for it, and the pages are cut off already.
        tables.append(tomlkit.item({"name": _free_name(indexes), "url": pages.as_uri(), "exclude-newer": False}))
    for index in indexes.entries:
        table: dict[str, str | bool] = {"name": index.name, "url": index.url}
        table |= {"default": True} if index.default else {}
        table |= {"explicit": True} if index.explicit else {}
        table |= {"format": index.format} if index.format != "simple" else {}
        table |= {"exclude-newer": _cutoff(cutoff_of(index.as_of))} if index.as_of is not None else {}
        tables.append(tomlkit.item(table))
    if tables:
        document["index"] = tables
    return tomlkit.dumps(document)


def uv_environment(indexes: Indexes, credentials: Credentials) -> dict[str, str]:
    """Return the variables that give uv the user names and passwords of the indexes."""
    variables = {}
    for index in indexes.entries:
        pair = credentials.for_index(index)
        if pair is not None:
            user, password = pair
            variables[f"UV_INDEX_{variable(index.name)}_USERNAME"] = user
            if password is not None:
                variables[f"UV_INDEX_{variable(index.name)}_PASSWORD"] = password
    return variables


def _cutoff(text: str) -> str | bool:
    return False if text == "none" else text


def _free_name(indexes: Indexes) -> str:
    taken = {index.name for index in indexes.entries}
    return next(name for name in ("pinned", *(f"pinned-{n}" for n in range(len(taken) + 1))) if name not in taken)
