"""What settings of this machine say about package indexes, whichever tool they were written for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import msgspec

from envlock.errors import UsageError
from envlock.model.index import Login, url_origin, without_login


class NamedIndex(msgspec.Struct, frozen=True, kw_only=True):
    """An index as settings name it."""

    url: str
    """With http or https, without credentials."""
    login: Login | None = None
    name: str | None = None
    default: bool = False
    explicit: bool = False
    packages: tuple[str, ...] = ()
    format: Literal["simple", "flat"] = "simple"
    as_of: str | None = None
    project: bool = False
    """Whether the setting stands in the project's own folder, for everybody who has the project."""


class IndexSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one tool, the strongest first."""

    indexes: tuple[NamedIndex, ...] = ()
    strategy: str | None = None
    keyring: bool | None = None
    insecure_hosts: tuple[str, ...] = ()
    system_certs: bool = False
    origin: str = ""
    """Which files or variables named the indexes; for messages."""


def split_login(url: str) -> tuple[str, Login | None]:
    """Take user name and password out of a URL."""
    parts = urlsplit(url)
    if not parts.username and not parts.password:
        return without_login(url), None
    password = unquote(parts.password) if parts.password is not None else None
    return without_login(url), Login(user=unquote(parts.username or ""), password=password)


def named(text: str, *, name: str | None = None, default: bool = False, project: bool = False) -> NamedIndex | None:
    """Parse a URL, or None where it is no http(s) URL: a lock must not depend on one machine's folder.

    Raises UsageError (`bad-settings`).
    """
    try:
        url, login = split_login(text.strip())
        url_origin(url)
    except ValueError:  # its message may hold a piece of a password
        raise UsageError(
            "bad-settings",
            "The URL of an index in this machine's settings cannot be read.",
            expected="https://USER:PASSWORD@HOST:PORT/PATH",
            hint="Write special characters of user name and password as %XX.",
        ) from None
    if urlsplit(url).scheme not in ("http", "https"):
        return None
    return NamedIndex(url=url, login=login, name=name, default=default, project=project)


def shown(path: Path, environ: Mapping[str, str]) -> str:
    """Return a settings file's path for messages, the home folder as `~`."""
    home = environ.get("HOME") or environ.get("USERPROFILE")
    if home and path.is_relative_to(home):
        return "~/" + path.relative_to(home).as_posix()
    return str(path)
