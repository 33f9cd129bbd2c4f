"""Package indexes: which ones an environment may ask, and for what."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

import msgspec

from envlock.model.names import Project


class Index(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """[[index]] of a manifest, or an index that this machine's settings name."""

    name: str
    url: str
    """Of a Simple API (PEP 503, PEP 691), or for `flat` a folder or page of files; never with a password in a lock."""
    default: bool = False
    """Asked last, in place of PyPI."""
    explicit: bool = False
    """Asked for `packages` alone."""
    packages: tuple[Project, ...] = ()
    """Projects that come from this index and from no other one."""
    mirror_of: str | None = None
    """`default`, or the name or URL of the index that this one mirrors: files come from here, URLs in locks do not."""
    format: Literal["simple", "flat"] = "simple"
    as_of: str | None = None
    """`none` where the index has no upload times (PEP 700), or a cutoff of its own."""


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A user name, and the password where it is known, that a setting gives for an index."""

    user: str
    password: str | None = None

    def __repr__(self) -> str:
        return "Login(…)"


class Indexes(msgspec.Struct, frozen=True, kw_only=True):
    """Every index in the order of asking, once the manifest and this machine's settings are put together."""

    entries: tuple[Index, ...] = ()
    """Names are unique, URLs absolute and without credentials, mirrors stand where what they mirror stood.

    Empty: PyPI, as uv has it.
    """
    local: tuple[str, ...] = ()
    """Names of the entries that are this machine's way to an index, not the index itself: URLs below them stay out of
    locks. These are mirrors, and what settings outside the project name."""
    logins: dict[str, Login] = {}
    """By the name of an entry: what the URLs in settings held."""
    strategy: str = "first-index"
    """uv's index strategy."""
    keyring: bool = False
    """Whether the keyring command may be asked for credentials."""
    insecure_hosts: tuple[str, ...] = ()
    """Hosts, with or without a port, whose certificates are not checked."""
    system_certs: bool = False
    """Whether uv trusts this system's certificate store."""
    origin: str = ""
    """Where they were read: `envlock.toml`, `uv.toml`, `pip.conf`, `the environment`; for messages."""

    @property
    def pinned(self) -> dict[str, Index]:
        """The index of each project that comes from one index alone, by normalised name; sorted."""
        from packaging.utils import canonicalize_name

        rows = {str(canonicalize_name(name)): index for index in reversed(self.entries) for name in index.packages}
        return dict(sorted(rows.items()))

    def may_use(self, url: str) -> bool:
        """Tell whether a URL that a lock records may be fetched from as it stands.

        Where something here takes the place of PyPI or of another index, only URLs at the indexes' own servers may:
        every other file is to be located through the indexes. A lock names no file of this machine.
        """
        if not url.startswith(("https://", "http://")):
            return False
        if not any(index.default or index.name in self.local for index in self.entries):
            return True
        return url_origin(url) in {url_origin(index.url) for index in self.entries}

    def recorded_url(self, url: str) -> str | None:
        """Return the URL that a lock may record, or None where it says how this machine reaches the file.

        None for whatever a mirror or an index of this machine's own settings served: anything that is not at the
        server of an index that the project itself names.
        """
        scheme = urlsplit(url).scheme
        if scheme not in ("http", "https"):
            return None
        named = {url_origin(index.url) for index in self.entries if index.name not in self.local}
        hidden = {url_origin(index.url) for index in self.entries if index.name in self.local}
        origin = url_origin(url)
        if origin in hidden or (hidden and origin not in named):
            return None
        return redact(url)


def url_origin(url: str) -> tuple[str, str, int | None]:
    """Return scheme, host and port, the scheme's own port filled in (RFC 6454, 4)."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), parts.port or {"http": 80, "https": 443}.get(scheme)


def redact(url: str) -> str:
    """Return a URL without user name and password, query or fragment, fit for messages, logs and locks."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def without_login(url: str) -> str:
    """Return a URL without user name and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
