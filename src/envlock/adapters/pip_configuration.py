"""Reads the package indexes out of pip's settings: its variables and pip.conf (pip's own precedence)."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

from envlock.adapters.index_settings import IndexSettings, NamedIndex, named, shown
from envlock.errors import UsageError

_SECTIONS = ("global", "install")
"""Later ones win, as for `pip install`."""


def read_pip(environ: Mapping[str, str], *, platform: str, root: Path) -> IndexSettings:
    """Return what `pip install` would ask; UsageError (`bad-settings`) for a file that cannot be read.

    pip asks all its indexes alike; here the extra ones come before the index-url, as uv has it. `root` is where
    absolute paths of the system begin.
    """
    values: dict[str, str] = {}
    origin = "pip.conf"
    sections: dict[str, dict[str, str]] = {name: {} for name in _SECTIONS}
    for path in _places(environ, platform, root):
        for name, rows in _load(path, environ).items():
            sections[name] |= rows
    for name in _SECTIONS:
        values |= sections[name]
    for key, value in environ.items():
        if key.startswith("PIP_") and value and key != "PIP_CONFIG_FILE":
            values[key.removeprefix("PIP_").lower().replace("_", "-")] = value
            if key in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
                origin = "the environment"
    indexes: list[NamedIndex | None] = [named(text) for text in values.get("extra-index-url", "").split()]
    if "index-url" in values:
        indexes.append(named(values["index-url"], default=True))
    provider = values.get("keyring-provider")
    return IndexSettings(
        indexes=tuple(index for index in indexes if index is not None),
        keyring=provider in ("subprocess", "import") if provider not in (None, "auto") else None,
        insecure_hosts=tuple(values.get("trusted-host", "").split()),
        origin=origin,
    )


def _places(environ: Mapping[str, str], platform: str, root: Path) -> list[Path]:
    """Return the files that pip reads, later ones winning: global, user, environment, PIP_CONFIG_FILE."""
    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen in (os.devnull, "/dev/null"):
        return []
    home = Path(environ.get("USERPROFILE" if platform == "win32" else "HOME") or Path.home())
    name = "pip.ini" if platform == "win32" else "pip.conf"
    if platform == "win32":
        program_data, application = environ.get("PROGRAMDATA"), environ.get("APPDATA")
        places = [Path(program_data) / "pip" / name] if program_data else []
        places += [home / "pip" / name]
        places += [Path(application) / "pip" / name] if application else []
    else:
        folders = [Path(text) for text in environ.get("XDG_CONFIG_DIRS", "").split(":") if text]
        if platform == "darwin":
            places = [root / "Library/Application Support/pip" / name]
        else:
            places = [folder / "pip" / name for folder in reversed(folders or [root / "etc/xdg"])]
        places += [root / "etc" / name, home / ".pip" / name]
        support = home / "Library/Application Support/pip"
        configuration = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip"
        places.append((support if platform == "darwin" and support.is_dir() else configuration) / name)
    if environ.get("VIRTUAL_ENV"):
        places.append(Path(environ["VIRTUAL_ENV"]) / name)
    if chosen:
        places.append(Path(chosen))
    return [path for path in places if path.is_file()]


def _load(path: Path, environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # The message of a configparser error repeats the line, which may hold a password.
        raise UsageError(
            "bad-settings",
            "pip's settings cannot be read.",
            where=shown(path, environ),
            found=type(error).__name__,
            hint="Mend that file, or set PIP_CONFIG_FILE to another one.",
        ) from None
    return {
        section: {key.removeprefix("--").replace("_", "-"): value for key, value in parser.items(section)}
        for section in _SECTIONS
        if parser.has_section(section)
    }
