"""What a registry's refusals mean, in its own codes (distribution-spec, error codes), with the next step."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import msgspec

from envlock.adapters.http_errors import retry_after
from envlock.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    import urllib3

TRANSIENT = (408, 429, 500, 502, 503, 504)
_LIMIT = 1 << 14
"""Bytes of an error's body that are read."""
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SECRET = re.compile(r"\?\S+|(?i:bearer|basic)\s+\S+|//[^/\s@]*@")
"""What an explanation may repeat of a request: queries of URLs, an Authorization header, a login in a URL."""
_LONGEST = 200


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is not what was asked for."""

    status: int
    codes: tuple[str, ...] = ()
    """Such as `DIGEST_INVALID`; none where the answer is no registry's, but a proxy's."""
    explanation: str = ""
    wait: float | None = None
    """Seconds that the registry asks to wait."""

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in TRANSIENT

    def __str__(self) -> str:
        coded = " ".join((str(self.status), *self.codes))
        return f"{coded}: {self.explanation}" if self.explanation else coded


def refusal(response: urllib3.BaseHTTPResponse) -> Refusal:
    """Read what an answer says of itself: `{"errors": [{"code": …, "message": …}]}`, as far as it does."""
    import urllib3

    codes, explanation = [], ""
    try:
        for error in json.loads(response.read(_LIMIT))["errors"]:
            if isinstance(code := error.get("code"), str) and _CODE.fullmatch(code):
                codes.append(code)
            if isinstance(message := error.get("message"), str) and not explanation:
                explanation = " ".join(_SECRET.sub("…", message)[:_LONGEST].split())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, urllib3.exceptions.HTTPError):
        pass  # a page of a proxy, or a body that broke off: the status has to do
    return Refusal(status=response.status, codes=tuple(codes), explanation=explanation, wait=retry_after(response))


def denied(registry: str, found: object) -> UsageError:
    """Return the error of a registry that asks for credentials, or for other ones."""
    return UsageError(
        "registry-denied",
        "The registry does not let us in.",
        where=registry or "Docker's default registry",
        found=str(found),
        hint=f"Log in as docker does: docker login {registry}".rstrip() + "; is the name of the image right?",
    )


def absent(missing: str, reference: object) -> UsageError:
    """Return the error of a registry without an image (`no-image`) or a layer of it (`no-blob`)."""
    return UsageError(
        missing,
        "The registry has no such image." if missing == "no-image" else "The registry lacks a layer of the image.",
        where=str(reference),
        hint="Check name and tag. Of a base that was deleted, name another one in the manifest: envlock lock --base."
        if missing == "no-image"
        else "It was deleted there, or its upload never ended: push the image again from where it was built.",
    )


def failed(registry: str, why: str) -> UsageError:
    """Return the error of a registry that cannot be used."""
    hint = "Check the network and the proxy, then run the command again."
    if "CERTIFICATE_VERIFY_FAILED" in why:
        folder = f"/etc/docker/certs.d/{registry}/ca.crt" if registry else "/etc/docker/certs.d"
        hint = f"Put the certificate of your company's authority into {folder}, or into what SSL_CERT_FILE names."
    elif not registry:
        hint = "A reference without a host is of Docker's default registry; others are HOST[:PORT]/NAME. " + hint
    return UsageError(
        "registry-failed",
        "The registry cannot be used.",
        where=registry or "Docker's default registry",
        found=why,
        hint=hint,
    )


def upload_refused(where: object, found: Refusal) -> UsageError:
    """Return the error of a registry that does not take a layer."""
    return UsageError(
        "upload-refused",
        "The registry does not take a layer of the image.",
        where=str(where),
        found=str(found),
        hint=_way_out(found) or "Ask who runs the registry, or push to another one.",
    )


def manifest_refused(where: object, media_type: str, found: Refusal) -> UsageError:
    """Return the error of a registry that takes layers, but not what puts them together."""
    hint = "Ask who runs the registry, or push to another one."
    if "IMMUTABLE" in str(found).upper() or found.status == 409:
        hint = "The tag is there already and may not move: choose another one with -t."
    elif {"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"} & {*found.codes}:
        hint = "The registry lost a layer after taking it, as when it is cleaned up meanwhile: run the command again."
    elif found.status in (400, 404, 405, 415, 501) and not {"NAME_UNKNOWN", "DENIED"} & {*found.codes}:
        hint = f"It may not know {media_type}: push to a registry of OCI images (distribution-spec 1.0 or later)."
    return UsageError(
        "manifest-refused",
        "The registry does not take the image's manifest.",
        where=str(where),
        found=str(found),
        hint=_way_out(found) or hint,
    )


def mismatch(where: object, expected: str, found: str) -> IntegrityError:
    """Return the error of bytes that are not those that were asked for."""
    return IntegrityError(
        "digest-mismatch",
        "What the registry served does not have the digest that names it.",
        where=str(where),
        expected=expected,
        found=found,
        hint="A proxy or mirror in between may be broken: try again, or without it.",
    )


def damaged(where: object, expected: str, found: str) -> IntegrityError:
    """Return the error of bytes that reached the registry as other ones."""
    return IntegrityError(
        "digest-mismatch",
        "What reached the registry does not have the digest that names it.",
        where=str(where),
        expected=expected,
        found=found,
        hint="A proxy in between may be broken, or the cached layer: run `envlock cache verify`, then push again.",
    )


def _way_out(found: Refusal) -> str:
    if found.status == 413 or "SIZE_INVALID" in found.codes:
        return "A proxy before the registry limits requests: have its limit raised (nginx: client_max_body_size)."
    if "NAME_UNKNOWN" in found.codes:
        return "Create the repository in the registry first, or name one that is there."
    if "UNSUPPORTED" in found.codes or found.status == 405:
        return "It takes no pushes, as mirrors and caches do not: name the registry that the image shall go to."
    if found.status == 429 or "TOOMANYREQUESTS" in found.codes:
        return "Wait, and run the command again."
    if found.is_transient:
        return "The registry is in trouble: run the command again later."
    return ""
