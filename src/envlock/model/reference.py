"""References of images in registries, read as docker reads them (distribution/reference)."""

from __future__ import annotations

import re

import msgspec

from envlock.errors import UsageError

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?P<repository>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_LOGIN = re.compile(r"(?<=://).*@|^.*@(?=[^/@]*/)|^[^/]*@(?!sha\d)")
"""A name and password, which belong to `docker login` and into no message."""
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::(?P<port>[0-9]{1,5}))?")
_LAST_PORT = 65535


class Reference(msgspec.Struct, frozen=True, kw_only=True):
    """A repository of a registry, with a tag or a digest."""

    registry: str
    """Host, with a port where it has one; empty for the one that docker asks by default."""
    repository: str
    tag: str | None = None
    digest: str | None = None

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse a reference; the tag is `latest` where there is neither tag nor digest.

        Raises UsageError (`bad-reference`).
        """
        host, slash, rest = text.partition("/")
        if not slash or not ("." in host or ":" in host or host == "localhost"):
            host, rest = "", text
        match = _REFERENCE.fullmatch(rest)
        if match is None or (host and not _is_host(host)):
            shown = _LOGIN.sub("…@", text)
            raise UsageError(
                "bad-reference",
                f"{shown!r} is not a reference of an image.",
                expected="[HOST[:PORT]/]REPOSITORY[:TAG][@sha256:DIGEST], the repository in lower case",
                found=shown,
                hint=("Without https:// and login; docker login keeps logins: " if "://" in text else "such as ")
                + "registry.example.com/python:3.11-slim",
            )
        repository, tag, digest = match["repository"], match["tag"], match["digest"]
        if not host and "/" not in repository:
            repository = f"library/{repository}"
        return cls(registry=host, repository=repository, tag=tag if tag or digest else "latest", digest=digest)

    def at(self, digest: str) -> Reference:
        """Return the reference of that very digest in the same repository."""
        return Reference(registry=self.registry, repository=self.repository, digest=digest)

    def tagged(self, tag: str) -> Reference:
        """Return the reference of a tag in the same repository."""
        return Reference(registry=self.registry, repository=self.repository, tag=tag)

    @property
    def name(self) -> str:
        """The repository alone, with its registry."""
        return f"{self.registry}/{self.repository}" if self.registry else self.repository

    @property
    def target(self) -> str:
        """What is asked of the registry: the digest where there is one, which wins over a tag, else the tag."""
        return self.digest or self.tag or "latest"

    def __str__(self) -> str:
        return f"{self.name}@{self.digest}" if self.digest else f"{self.name}:{self.tag}"


def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    return match is not None and int(match["port"] or 0) <= _LAST_PORT


def is_reference(base: str) -> bool:
    """Tell a reference of a registry from the name of a recipe, which is a plain word."""
    return any(character in base for character in "/:@")
