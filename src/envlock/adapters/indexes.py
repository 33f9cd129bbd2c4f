"""Puts the manifest's indexes and this machine's settings together into the indexes that are asked."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from envlock.adapters.index_settings import IndexSettings, NamedIndex
from envlock.adapters.pip_configuration import read_pip
from envlock.adapters.uv_configuration import read_uv
from envlock.errors import UsageError
from envlock.model.index import Index, Indexes, Login


def read_indexes(
    manifest_indexes: tuple[Index, ...],
    folder: Path,
    environ: Mapping[str, str] = os.environ,
    *,
    platform: str = sys.platform,
    root: Path = Path("/"),
) -> Indexes:
    """Return the indexes in the order of asking: the manifest's, this machine's, the default one last.

    - The manifest says which indexes the environment uses; one with `mirror-of` takes the place of what it mirrors.
    - An index of uv's settings (of pip's, where uv's name none) that bears the name of one of the manifest's stands
      for that one on this machine. The others are asked too: dropping one would send its private names elsewhere.
    - A default of this machine takes the place of PyPI, as the manifest's does. Two defaults with different URLs are
      an error (`two-defaults`): whichever were preferred, a company's mirror might be bypassed or a private name asked
      of a public index.

    `folder` is the manifest's; `platform` (as sys.platform) and `root` say where files of settings are.
    Raises UsageError: `two-defaults`, `two-mirrors`, `bad-settings`.
    """
    settings = read_uv(folder, environ, platform=platform, root=root)
    if not settings.indexes:
        pip = read_pip(environ, platform=platform, root=root)
        hosts = settings.insecure_hosts + (pip.insecure_hosts if pip.indexes else ())
        keyring = settings.keyring if settings.keyring is not None else pip.keyring
        settings = msgspec.structs.replace(
            settings, indexes=pip.indexes, origin=pip.origin, keyring=keyring, insecure_hosts=hosts
        )
    table = _Table([_absolute(index, folder) for index in manifest_indexes if index.mirror_of is None])
    mirrors = [_absolute(index, folder) for index in manifest_indexes if index.mirror_of is not None]
    own = _stand_ins(table, mirrors, settings.indexes)
    own = _mirrored(own, mirrors)
    _mirrors(table, mirrors)
    _machine(table, own, settings.origin)
    entries = [*(row for row in table.rows if not row.default), *(row for row in table.rows if row.default)]
    from_manifest = ("envlock.toml",) if manifest_indexes else ()
    return Indexes(
        entries=tuple(entries),
        local=tuple(row.name for row in entries if row.name in table.local),
        logins={row.name: table.logins[row.name] for row in entries if row.name in table.logins},
        strategy=_strategy(settings, entries),
        keyring=bool(settings.keyring),
        insecure_hosts=settings.insecure_hosts,
        system_certs=settings.system_certs,
        origin=", ".join([*from_manifest, *([settings.origin] if settings.indexes else [])]),
    )


class _Table:
    """The indexes as they are put together: rows in order, and what is known of them by name."""

    def __init__(self, rows: Sequence[Index]) -> None:
        self.rows = list(rows)
        self.local: set[str] = set()
        self.logins: dict[str, Login] = {}

    def replace(self, name: str, row: Index) -> None:
        self.rows = [row if existing.name == name else existing for existing in self.rows]

    def default(self) -> Index | None:
        return next((row for row in self.rows if row.default), None)

    def free_name(self, wanted: str) -> str:
        taken = {row.name for row in self.rows}
        numbered = (f"{wanted}-{number}" for number in range(1, len(taken) + 2))
        return wanted if wanted not in taken else next(name for name in numbered if name not in taken)


def _stand_ins(table: _Table, mirrors: list[Index], machine: Sequence[NamedIndex]) -> list[NamedIndex]:
    """Let this machine's indexes take the places of those whose names they bear; return the other ones."""
    own, done = [], set()
    for index in machine:
        name = index.name
        row = next((row for row in [*table.rows, *mirrors] if row.name == name), None)
        if row is None or name is None:
            own.append(index)
        elif name not in done:
            done.add(name)
            here = msgspec.structs.replace(row, url=index.url, format=index.format, as_of=row.as_of or index.as_of)
            table.replace(name, here)
            mirrors[:] = [here if mirror.name == name else mirror for mirror in mirrors]
            if not index.project and _key(index.url) != _key(row.url):
                table.local.add(name)
            if index.login is not None:
                table.logins[name] = index.login
    return own


def _mirrored(own: Sequence[NamedIndex], mirrors: list[Index]) -> list[NamedIndex]:
    """Let the manifest's mirrors of URLs that only this machine's settings name stand there; take them off the list."""
    by_url = {_key(mirror.mirror_of or ""): mirror for mirror in mirrors}
    rows = []
    for index in own:
        mirror = by_url.get(_key(index.url))
        if mirror is not None:
            mirrors[:] = [other for other in mirrors if other is not mirror]
            changes = {"url": mirror.url, "name": mirror.name, "login": None, "format": mirror.format, "project": False}
            index = msgspec.structs.replace(index, **changes, as_of=mirror.as_of or index.as_of)
        rows.append(index)
    return rows


def _mirrors(table: _Table, mirrors: Sequence[Index]) -> None:
    """Put each mirror where what it mirrors stood.

    One of a URL that no index of the manifest has takes the place of PyPI, unless it is asked for `packages` alone:
    whatever that URL is, PyPI must then not be asked in its stead.
    """
    taken: dict[str, str] = {}
    for mirror in mirrors:
        target = mirror.mirror_of or ""
        row = next((row for row in table.rows if row.name == target or _key(row.url) == _key(target)), None)
        if target == "default":
            row = table.default()
        place = row.name if row is not None else "default"
        if row is None and (mirror.explicit or mirror.packages):
            place = mirror.name
        if place in taken:
            raise UsageError(
                "two-mirrors",
                f"The indexes {taken[place]!r} and {mirror.name!r} mirror the same one.",
                where=f"[[index]] {mirror.name}",
                hint="Keep the one that this team can reach.",
            )
        taken[place] = taken[mirror.name] = mirror.name
        table.local.add(mirror.name)
        if row is None:
            alone = mirror.explicit or bool(mirror.packages)
            table.rows.append(msgspec.structs.replace(mirror, default=not alone))
            continue
        stands = msgspec.structs.replace(
            mirror,
            default=row.default,
            explicit=row.explicit,
            packages=tuple(dict.fromkeys([*row.packages, *mirror.packages])),
            as_of=mirror.as_of or row.as_of,
        )
        if row.name in table.local and row.name not in {m.name for m in mirrors}:
            # This machine's own way to that index stands already, and is more particular than the manifest's mirror.
            continue
        table.replace(row.name, stands)


def _machine(table: _Table, own: Sequence[NamedIndex], origin: str) -> None:
    """Add this machine's own indexes: the extra ones after the manifest's, its default in place of PyPI."""
    default = next((index for index in own if index.default), None)
    for index in own:
        if index.default and index is not default:
            continue  # as by uv: of several defaults the strongest setting counts
        same = next((row for row in table.rows if _key(row.url) == _key(index.url)), None)
        standing = table.default()
        if same is not None and (same.default or not index.default):
            if index.login is not None:
                table.logins.setdefault(same.name, index.login)
            continue
        if index.default and standing is not None:
            raise UsageError(
                "two-defaults",
                "The manifest and this machine's settings name different default indexes.",
                where=origin,
                expected=f"{standing.name} ({standing.url})",
                found=index.url,
                hint=f"If this machine's stands for it, say so by name: UV_DEFAULT_INDEX={standing.name}={index.url}; "
                "if not, take it out of this machine's settings or set UV_NO_CONFIG=1.",
            )
        name = table.free_name(index.name or ("default" if index.default else "extra"))
        table.rows.append(
            Index(
                name=name,
                url=index.url,
                default=index.default,
                explicit=index.explicit,
                packages=index.packages,
                format=index.format,
                as_of=index.as_of,
            )
        )
        if not index.project:
            table.local.add(name)
        if index.login is not None:
            table.logins[name] = index.login


def _strategy(settings: IndexSettings, entries: Sequence[Index]) -> str:
    """Return uv's strategy; only the first index that has a name is asked for it where some names have their own."""
    if settings.strategy is None or any(row.packages for row in entries):
        return "first-index"
    return settings.strategy


def _absolute(index: Index, folder: Path) -> Index:
    """Give a folder of files its URL."""
    scheme = urlsplit(index.url).scheme
    if scheme in ("http", "https", "file"):
        return index
    return msgspec.structs.replace(index, url=(folder / index.url).resolve().as_uri())


def _key(url: str) -> str:
    """Return what makes two URLs of an index the same."""
    parts = urlsplit(url)
    return parts._replace(
        scheme=parts.scheme.lower(), netloc=parts.netloc.lower(), path=parts.path.rstrip("/")
    ).geturl()
