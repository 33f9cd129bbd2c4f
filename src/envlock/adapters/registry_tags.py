"""Which tags a repository has (OCI distribution-spec 1.1, Listing Tags)."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import msgspec

from envlock.adapters.registry_errors import failed
from envlock.adapters.registry_manifests import check, read_body
from envlock.adapters.registry_session import Session
from envlock.adapters.registry_tokens import pull_scope
from envlock.model.records import from_json
from envlock.model.reference import Reference

_LIMIT = 4 << 20
"""Bytes of all pages together."""
_PAGES = 20
_NEXT = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?')
_WHAT = "its list of tags"


class _Page(msgspec.Struct, frozen=True):
    """One answer; registries write null where there are none."""

    tags: tuple[str, ...] | None = None


def listed_tags(session: Session, reference: Reference) -> tuple[str, ...]:
    """Return the tags of a repository, sorted, asked of the registry itself; none where it has no such repository.

    Raises UsageError (`registry-denied`, `registry-failed`).
    """
    registry = reference.registry
    url = f"{session.hosts.root(registry)}/v2/{reference.repository}/tags/list?n=1000"
    found: set[str] = set()
    left = _LIMIT
    for _ in range(_PAGES):
        with session.request("GET", url, registry=registry, scope=pull_scope(reference)) as response:
            if response.status == 404:
                return ()
            check(response, reference, "no-image")
            raw = read_body(response, registry, left, _WHAT)
            following = _NEXT.search(response.headers.get("Link", ""))
        left -= len(raw)
        try:
            found.update(from_json(raw, _Page).tags or ())
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise failed(registry, f"{_WHAT} cannot be read") from None
        if following is None:
            return tuple(sorted(found))
        try:
            url = urljoin(url, following[1])
        except ValueError:
            break
    raise failed(registry, f"{_WHAT} has more than {_PAGES} pages, or no next one")
