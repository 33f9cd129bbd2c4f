"""What is known of an image: its names, the lock that it says it is of, and statements about where it comes from."""

from __future__ import annotations

import msgspec

from envlock.model.provenance import Held, Provenance, Signature


class PlatformNames(msgspec.Struct, frozen=True, kw_only=True):
    """One platform of an image, by the names that registries and Engines give it."""

    platform: str
    manifest: str | None
    """Digest; None for an image of an Engine, which forgets it."""
    image_id: str


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """An attestation beside an image."""

    digest: str
    """Of its manifest; empty where it was attached without one."""
    provenance: Provenance | None = None
    """None where it cannot be read."""
    signatures: tuple[Signature, ...] = ()
    problem: str = ""
    """Why nothing in it counts, such as that it is about another image."""


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """Anything else that refers to an image, such as a bill of materials."""

    artifact_type: str
    digest: str


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """What the project that one stands in knows of an image's lock."""

    env: str | None = None
    """Whose current lock it is."""
    held: Held | None = None
    """Else where git's history has it."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `which`."""

    reference: str
    """With the digest where it is one of a registry."""
    index: str | None
    platforms: tuple[PlatformNames, ...]
    lock_digest: str | None = None
    """64 hex digits; None where the image is not of envlock."""
    env: str | None = None
    layer_spec: str | None = None
    project: str | None = None
    """Of a project image: the digest of its files, 64 hex digits."""
    statements: tuple[Statement, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    here: Here | None = None
    """None outside a project."""
    problems: tuple[str, ...] = ()
    """What contradicts itself."""
    unproven: str = ""
    """Why a signature that was asked for could not be found."""

    @property
    def exit_code(self) -> int:
        """4 where something contradicts itself, 3 where a signature is missing, 2 for an image that is not ours."""
        if self.problems:
            return 4
        if self.unproven:
            return 3
        return 0 if self.lock_digest else 2
