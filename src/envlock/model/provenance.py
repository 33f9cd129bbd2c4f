"""Where an image comes from: what git says of the files that it was made of, and who signed the statement about it."""

from __future__ import annotations

from typing import Literal

import msgspec

SIGNING_NAMESPACE = "envlock-provenance"
"""What signatures of statements are made for (ssh-keygen -n), so that none of another purpose passes for one."""
REPORT_NAMESPACE = "envlock-report"
"""What signatures of reports are made for."""

BUILDER = "pkg:pypi/envlock-ml"
"""The builder that statements name, without a version: an image's bytes depend on the layer specification alone."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What git says of the files that an image was made of."""

    commit: str
    """The newest one, from the current one back, that changed lock, manifest or included files: 40 or 64 hex digits."""
    dirty: bool
    """Whether one of these files differs from that commit."""
    lock_committed: bool
    """Whether the lock's bytes are that commit's."""
    lock_path: str
    """Of the lock, relative to the repository's top folder, with forward slashes."""
    tree_dirty: bool
    """Whether any tracked file of the work tree differs from the current commit."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """What a statement says of an image."""

    subjects: tuple[str, ...]
    """The digests that it is about, ``sha256:<hex>``."""
    predicate_type: str
    builder: str = ""
    env: str = ""
    lock_digest: str = ""
    """64 hex digits; empty where the statement is not of our build type."""
    project: str | None = None
    """Of a project image: the digest of its files, 64 hex digits."""
    source: Source | None = None
    """None where the image was made outside a git repository."""

    @property
    def ours(self) -> bool:
        """Whether it is in the words of envlock, and not of another builder."""
        return self.builder == BUILDER and bool(self.lock_digest)


Standing = Literal["trusted", "unknown", "unchecked", "unreadable", "wrong"]
"""Of a signature: by an allowed signer, by a key that is not allowed, right but held against nobody, not checked for
want of a program, or not one over these bytes."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """What a signature over a statement proves."""

    standing: Standing
    key: str
    """Fingerprint, `SHA256:…`; empty where the signature cannot be parsed."""
    principal: str = ""
    """Whom the list of allowed signers says the key belongs to."""
    why: str = ""
    """What the check said, where it did not succeed."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """Where a repository's history holds a lock."""

    commit: str
    """The newest one that brought these bytes."""
    path: str
    """Relative to the repository's top folder."""
