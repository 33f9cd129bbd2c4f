"""What refers to an image (distribution-spec, referrers): asked of the registry, else kept under a tag."""

from __future__ import annotations

import json
import re
import threading
from typing import Any
from urllib.parse import urljoin

import msgspec

from envlock.adapters.registry_errors import Refusal, failed, manifest_refused
from envlock.adapters.registry_manifests import Manifests, check, read_body
from envlock.adapters.registry_session import Session
from envlock.adapters.registry_tokens import pull_scope
from envlock.errors import UsageError
from envlock.formats.oci import INDEX, canonical_json, digest_of
from envlock.model import records
from envlock.model.reference import Reference

_LIMIT = 4 << 20
"""Bytes of all pages together, as of the list under a tag."""
_PAGES = 100
_ATTEMPTS = 5
_WITHOUT = (400, 404, 405, 501)
"""What registries answer that know of no referrers."""
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')


class _Referrer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A manifest of any kind, as far as a list of referrers repeats it."""

    artifact_type: str | None = None
    config: dict[str, Any] = {}
    annotations: dict[str, str] = {}
    subject: dict[str, Any] | None = None


class Referrers:
    """Lists referrers, and keeps the list for registries that do not. Safe to use from several threads."""

    def __init__(self, session: Session, manifests: Manifests) -> None:
        self._session = session
        self._manifests = manifests
        self._writing = threading.Lock()

    def listed(self, reference: Reference, digest: str) -> bytes:
        """Return an OCI index of what refers to a digest; an empty one where nothing does."""
        found = self._asked(reference, digest)
        if found is None:
            found = self._kept(_fallback(reference, digest))["manifests"]
        return canonical_json(_empty() | {"manifests": found})

    def keep(self, reference: Reference, raw: bytes, media_type: str) -> None:
        """Add a manifest that has a subject to the list under its subject's fallback tag.

        Others may write that list too, and registries have no transactions: it is read again until the manifest is
        listed. What others listed stays as it is.
        """
        entry, subject = _entry(raw, media_type)
        tag = _fallback(reference, subject)
        with self._writing:
            for _ in range(_ATTEMPTS):
                index = self._kept(tag)
                if entry in index["manifests"]:
                    return
                others = [one for one in index["manifests"] if one.get("digest") != entry["digest"]]
                self._manifests.put(tag, canonical_json(index | {"manifests": [*others, entry]}), INDEX)
        if entry not in self._kept(tag)["manifests"]:
            raise failed(reference.registry, "its list of referrers is written by others all the time")

    def _asked(self, reference: Reference, digest: str) -> list[dict[str, Any]] | None:
        """Return what the registry itself lists, None where it knows of no referrers."""
        url = f"{self._session.hosts.root(reference.registry)}/v2/{reference.repository}/referrers/{digest}"
        found: list[dict[str, Any]] = []
        left = _LIMIT
        for _ in range(_PAGES):
            with self._session.request(
                "GET", url, registry=reference.registry, scope=pull_scope(reference), headers={"Accept": INDEX}
            ) as response:
                media_type = response.headers.get("Content-Type", "").partition(";")[0].strip()
                if response.status in _WITHOUT or (response.status == 200 and media_type != INDEX):
                    return None
                check(response, reference, "no-image")
                raw = read_body(response, reference.registry, left, "its list of referrers")
                left -= len(raw)
                found += _parsed(raw, reference.registry)["manifests"]
                following = _NEXT.search(response.headers.get("Link", ""))
            if following is None:
                return found
            try:
                url = urljoin(url, following[1])
            except ValueError:
                break
        raise failed(reference.registry, f"its list of referrers has more than {_PAGES} pages, or no next one")

    def _kept(self, tag: Reference) -> dict[str, Any]:
        """Return the index under a fallback tag; an empty one where there is none."""
        try:
            raw, media_type, _ = self._manifests.get(tag, tag.registry, self._session.hosts.root(tag.registry))
        except UsageError as error:
            if error.reference != "no-image":
                raise
            return _empty()
        if media_type != INDEX:
            found = Refusal(status=200, explanation=f"{media_type} where a list of referrers should be")
            raise manifest_refused(tag, INDEX, found)
        return _parsed(raw, tag.registry)


def subject_of(raw: bytes) -> str | None:
    """Return the digest of what a manifest or index refers to, None where it refers to nothing."""
    try:
        subject = records.from_json(raw, _Referrer).subject
    except (msgspec.DecodeError, RecursionError):
        return None  # whether it is a manifest at all is the registry's to say
    return subject.get("digest") if subject else None


def _entry(raw: bytes, media_type: str) -> tuple[dict[str, Any], str]:
    """Return how a referrer is listed (distribution-spec, listing referrers), and its subject's digest."""
    referrer = records.from_json(raw, _Referrer)
    entry: dict[str, Any] = {"mediaType": media_type, "digest": digest_of(raw), "size": len(raw)}
    if kind := referrer.artifact_type or referrer.config.get("mediaType"):
        entry["artifactType"] = kind
    if referrer.annotations:
        entry["annotations"] = referrer.annotations
    return entry, (referrer.subject or {})["digest"]


def _fallback(reference: Reference, digest: str) -> Reference:
    """Return the tag that stands for a digest's list of referrers (distribution-spec, referrers tag schema)."""
    return reference.tagged(digest.replace(":", "-", 1))


def _empty() -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}


def _parsed(raw: bytes, registry: str) -> dict[str, Any]:
    """Return an index whole, with fields that envlock knows nothing of."""
    try:
        index = json.loads(raw)
        if all(isinstance(one, dict) for one in index["manifests"]):
            canonical_json(index)  # what cannot be written again cannot be used either: depths, half characters
            return dict(index)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise failed(registry, "its list of referrers cannot be read")
