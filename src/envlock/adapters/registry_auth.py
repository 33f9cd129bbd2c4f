"""How registries are told who asks: credentials of Docker's configuration, Basic and Bearer (RFC 7617, RFC 6750)."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from envlock.errors import UsageError

TOKEN_USER = "<token>"  # noqa: S105 - what docker login writes in place of a name where the secret is a refresh token
_NOT_INSTALLED = re.compile(r"(docker-credential-[A-Za-z0-9._-]+) not installed")
_SCHEME = re.compile(r"\s*,?\s*([A-Za-z0-9._~+-]+)(?:\s+|$)(?!=)")
_PARAMETER = re.compile(r'\s*,?\s*([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))')


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a registry is told: a name and password, or a refresh token. Neither is ever shown."""

    user: str
    secret: str

    @property
    def refreshes(self) -> bool:
        """Whether the secret is a refresh token (OAuth2), which `docker login` keeps as an identity token."""
        return self.user == TOKEN_USER

    def __repr__(self) -> str:
        return "Credentials(...)"


class Challenge(msgspec.Struct, frozen=True):
    """One way of authentication that a server offers (RFC 9110, 11.6.1)."""

    scheme: str
    """In lower case."""
    parameters: Mapping[str, str]


def docker_credentials(registry: str) -> Credentials | None:
    """Return what Docker's configuration says of a registry: its helper, its store, its own entries, or nothing.

    `registry` is a host with its port, or empty for Docker's default one.
    Raises UsageError (`bad-docker-config`, `credential-helper-failed`), which names no secret.
    """
    import docker.auth
    import docker.errors

    # That a helper is not installed is an error of ours, with the way out.
    warnings.filterwarnings("ignore", "docker-credential-", UserWarning, r"docker\.credentials")
    try:
        _check_configuration()
        found = docker.auth.load_config().resolve_authconfig(registry or docker.auth.INDEX_NAME)
    except (docker.errors.InvalidConfigFile, ValueError, AttributeError) as error:
        raise UsageError(
            "bad-docker-config",
            "Docker's configuration cannot be read.",
            where="config.json in DOCKER_CONFIG or ~/.docker",
            found=type(error).__name__,
            hint="Mend its `auths`, or log in again: docker login",
        ) from None
    except (docker.errors.DockerException, OSError) as error:
        missing = _NOT_INSTALLED.search(str(error))
        raise UsageError(
            "credential-helper-failed",
            f"The credential helper that Docker's configuration names for {registry or docker.auth.INDEX_NAME} failed.",
            where="credHelpers or credsStore of Docker's config.json",
            found=f"{missing[1]} is not on PATH" if missing else type(error).__name__,
            hint="Run docker-credential-<helper> list to see why, or log in again: docker login",
        ) from None
    if not found:
        return None
    if token := found.get("IdentityToken"):
        return Credentials(user=TOKEN_USER, secret=token)
    user = found.get("Username") or found.get("username")
    secret = found.get("Password") or found.get("password")
    return Credentials(user=user, secret=secret) if user and secret else None


def _check_configuration() -> None:
    """Raise ValueError for a config.json that is no JSON object, of which docker's library says nothing."""
    from docker.utils.config import find_config_file

    path = find_config_file()
    if path is None or Path(path).name != "config.json":
        return
    try:
        raw = Path(path).read_bytes()
    except OSError:
        return  # as of somebody else, for whom docker logged in
    if not isinstance(json.loads(raw), dict):
        raise ValueError("no object")


def challenges(headers: Sequence[str]) -> list[Challenge]:
    """Parse the values of WWW-Authenticate headers; what is not one is passed over."""
    found = []
    for text in headers:
        at = 0
        while match := _SCHEME.match(text, at):
            at = match.end()
            parameters: dict[str, str] = {}
            while pair := _PARAMETER.match(text, at):
                parameters[pair[1].lower()] = re.sub(r"\\(.)", r"\1", pair[2]) if pair[2] is not None else pair[3]
                at = pair.end()
            found.append(Challenge(match[1].lower(), parameters))
    return found
