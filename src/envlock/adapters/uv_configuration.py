"""Reads the package indexes out of uv's settings: its variables, uv.toml and [tool.uv] (uv's own precedence)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from envlock.adapters.index_settings import IndexSettings, NamedIndex, named, shown
from envlock.errors import UsageError
from envlock.model import records

_NAME_AND_URL = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)=(?=\w+://)")
_TRUE = ("1", "true", "yes", "on", "y", "t")


def read_uv(folder: Path, environ: Mapping[str, str], *, platform: str, root: Path) -> IndexSettings:
    """Return what uv would ask in `folder`; UsageError (`bad-settings`) for a file that cannot be read.

    Variables come first, then the project's file, the user's and the system's. `root` is where absolute paths of the
    system begin.
    """
    found = [_of_variables(environ)]
    if environ.get("UV_CONFIG_FILE"):
        path = Path(environ["UV_CONFIG_FILE"])
        found.append(_of_table(_load(path, environ), path.name, project=False))
    elif environ.get("UV_NO_CONFIG", "").lower() not in _TRUE:
        found += [
            _of_table(table, name, project=project) for table, name, project in _files(folder, environ, platform, root)
        ]
    indexes = tuple(index for settings in found for index in settings.indexes)
    return IndexSettings(
        indexes=indexes,
        strategy=next((s.strategy for s in found if s.strategy is not None), None),
        keyring=next((s.keyring for s in found if s.keyring is not None), None),
        insecure_hosts=tuple(dict.fromkeys(host for s in found for host in s.insecure_hosts)),
        system_certs=any(s.system_certs for s in found),
        origin=", ".join(dict.fromkeys(s.origin for s in found if s.indexes)),
    )


def _of_variables(environ: Mapping[str, str]) -> IndexSettings:
    extras = [*environ.get("UV_INDEX", "").split(), *environ.get("UV_EXTRA_INDEX_URL", "").split()]
    default = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") or ""
    indexes = [_of_text(text) for text in extras] + [_of_text(default, default=True)]
    provider = environ.get("UV_KEYRING_PROVIDER")
    return IndexSettings(
        indexes=tuple(index for index in indexes if index is not None),
        strategy=environ.get("UV_INDEX_STRATEGY") or None,
        keyring=None if not provider else provider == "subprocess",
        insecure_hosts=tuple(environ.get("UV_INSECURE_HOST", "").split()),
        system_certs=any(environ.get(key, "").lower() in _TRUE for key in ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS")),
        origin="the environment",
    )


def _of_text(text: str, *, default: bool = False) -> NamedIndex | None:
    match = _NAME_AND_URL.match(text)
    if match:
        return named(text[match.end() :], name=match[1], default=default)
    return named(text, default=default)


def _files(
    folder: Path, environ: Mapping[str, str], platform: str, root: Path
) -> Iterator[tuple[Mapping[str, Any], str, bool]]:
    """Yield (table, file name, whether it is the project's): the nearest project file, the user's, the system's."""
    for parent in (folder, *folder.parents):
        if (parent / "uv.toml").is_file():
            yield _load(parent / "uv.toml", environ), "uv.toml", True
            break
        if (parent / "pyproject.toml").is_file():
            table = _load(parent / "pyproject.toml", environ).get("tool", {}).get("uv")
            if isinstance(table, dict):
                yield table, "pyproject.toml", True
                break
    for places in (_user_places(environ, platform), _system_places(environ, platform, root)):
        path = next((path for path in places if path.is_file()), None)
        if path is not None:
            yield _load(path, environ), "uv.toml", False


def _user_places(environ: Mapping[str, str], platform: str) -> list[Path]:
    if platform == "win32":
        return [Path(environ["APPDATA"]) / "uv/uv.toml"] if environ.get("APPDATA") else []
    if environ.get("XDG_CONFIG_HOME"):
        return [Path(environ["XDG_CONFIG_HOME"]) / "uv/uv.toml"]
    return [Path(environ["HOME"]) / ".config/uv/uv.toml"] if environ.get("HOME") else []


def _system_places(environ: Mapping[str, str], platform: str, root: Path) -> list[Path]:
    if platform == "win32":
        return [Path(environ["SYSTEMDRIVE"] + "\\") / "ProgramData/uv/uv.toml"] if environ.get("SYSTEMDRIVE") else []
    folders = [Path(text) for text in environ.get("XDG_CONFIG_DIRS", "").split(":") if text]
    folders = folders or [root / "etc/xdg"]
    return [*(path / "uv/uv.toml" for path in folders), root / "etc/uv/uv.toml"]


def _load(path: Path, environ: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        raise UsageError("bad-settings", "UV_CONFIG_FILE names no file.", where=shown(path, environ)) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        # A parser's message gives line and column, never the text that may hold a password.
        found = str(error) if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__
        raise UsageError(
            "bad-settings",
            "uv's settings cannot be read.",
            where=shown(path, environ),
            found=found,
            hint="Mend that file.",
        ) from None


class _IndexTable(msgspec.Struct, rename="kebab"):
    url: str
    name: str | None = None
    default: bool = False
    explicit: bool = False
    format: str = "simple"
    exclude_newer: str | bool | None = None


class _Table(msgspec.Struct, rename="kebab"):
    """The keys of uv.toml that say where packages come from; `pip` holds those of `uv pip` alone."""

    index: list[_IndexTable] = []
    index_url: str | None = None
    extra_index_url: list[str] = []
    index_strategy: str | None = None
    keyring_provider: str | None = None
    allow_insecure_host: list[str] = []
    system_certs: bool = False
    native_tls: bool = False
    sources: dict[str, Any] = {}
    pip: dict[str, Any] = {}


def _of_table(raw: Mapping[str, Any], name: str, *, project: bool) -> IndexSettings:
    try:
        table = records.convert(raw, _Table)
        pip = records.convert(table.pip, _Table)
    except msgspec.ValidationError as error:
        raise UsageError(
            "bad-settings", "uv's settings cannot be read.", where=name, found=str(error), hint="Mend that key."
        ) from None
    sources = _sources(table.sources)
    indexes = []
    for row in table.index:
        index = named(row.url, name=row.name, default=row.default, project=project)
        if index is None:
            continue
        cutoff = "none" if row.exclude_newer is False else row.exclude_newer
        indexes.append(
            msgspec.structs.replace(
                index,
                explicit=row.explicit,
                format="flat" if row.format == "flat" else "simple",
                packages=tuple(sorted(package for package, source in sources.items() if source == row.name)),
                as_of=cutoff if isinstance(cutoff, str) else None,
            )
        )
    for url in [*pip.extra_index_url, *table.extra_index_url]:
        indexes += filter(None, [named(url, project=project)])
    for text in (pip.index_url, table.index_url):
        if text is not None:
            indexes += filter(None, [named(text, default=True, project=project)])
    provider = pip.keyring_provider or table.keyring_provider
    return IndexSettings(
        indexes=tuple(indexes),
        strategy=pip.index_strategy or table.index_strategy,
        keyring=None if provider is None else provider == "subprocess",
        insecure_hosts=tuple(table.allow_insecure_host),
        system_certs=table.system_certs or table.native_tls,
        origin=name,
    )


def _sources(table: Mapping[str, Any]) -> dict[str, str]:
    """Return project to name of index, for [tool.uv.sources] that name one index whatever the platform.

    Those with several rows by marker are left to uv, which reads them with the pyproject.toml itself.
    """
    rows = {
        project: source[0] if isinstance(source, list) and len(source) == 1 else source
        for project, source in table.items()
    }
    return {
        project: source["index"]
        for project, source in rows.items()
        if isinstance(source, dict)
        and isinstance(source.get("index"), str)
        and not {"marker", "extra", "group"} & source.keys()
    }
