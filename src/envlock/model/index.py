"""Package indexes: which ones an environment may ask, and for what."""

from __future__ import annotations

from typing import Literal

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


class Indexes(msgspec.Struct, frozen=True, kw_only=True):
    """Every index in the order of asking, once the manifest and this machine's settings are put together."""

    entries: tuple[Index, ...] = ()
    """Empty: PyPI, as uv has it."""
    strategy: str = "first-index"
    """uv's index strategy."""
    keyring: bool = False
    """Whether the keyring command may be asked for credentials."""
    insecure_hosts: tuple[str, ...] = ()
    origin: str = ""
    """Where they were read: `envlock.toml`, `uv.toml`, `pip.conf`, `the environment`; for messages."""

    @property
    def configured(self) -> bool:
        """Whether this machine or the manifest names any index: PyPI itself is then asked only if it is among them."""
        return bool(self.entries)
