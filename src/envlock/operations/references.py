"""Where images go in registries: repositories of the manifest, and the tags that users give."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from envlock.errors import UsageError
from envlock.model.lock import Lock
from envlock.model.manifest import Manifest
from envlock.model.reference import Reference, is_reference

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_LOCK_TAG = re.compile(r"lock-([0-9a-f]{32}|[0-9a-f]{16}-src-[0-9a-f]{16})")


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """A repository, and the tags that an image gets there beside the one of its lock."""

    repository: Reference
    """What it is tagged with, or its digest, says nothing here."""
    tags: tuple[str, ...] = ()


def repository_of(manifest: Manifest, env: str) -> Reference | None:
    """Return the repository of an environment's images, None where the manifest names none.

    Raises UsageError (`bad-repository`, `bad-reference`).
    """
    image = manifest.environment(env).image
    if image is None or image.repository is None:
        return None
    parsed = Reference.parse(image.repository)
    if parsed.name != image.repository and f"library/{image.repository}" != parsed.name:
        raise UsageError(
            "bad-repository",
            f"The repository of {env!r} has a tag or a digest.",
            where=f"[env.{env}.image] repository",
            expected=parsed.name,
            found=image.repository,
            hint="Tags are given to `envlock push -t`.",
        )
    return parsed


def destinations(manifest: Manifest, env: str, given: Sequence[str]) -> tuple[Destination, ...]:
    """Return where `-t` says that an image goes, in the order given; the manifest's repository where it says nothing.

    ``:v1`` and ``v1`` are tags in the manifest's repository, anything else is a whole reference.
    Raises UsageError (`no-repository`, `bad-reference`, `bad-tag`, `reserved-tag`).
    """
    own = repository_of(manifest, env)
    if not given:
        if own is None:
            raise _no_repository(env)
        return (Destination(repository=own),)
    found: dict[str, list[Reference]] = {}
    for text in given:
        reference = _given(text, own, env)
        found.setdefault(reference.name, []).append(reference)
    return tuple(
        Destination(repository=references[0], tags=tuple(dict.fromkeys(str(each.tag) for each in references)))
        for references in found.values()
    )


def tag_of(text: str) -> str:
    """Return a tag written as ``v1`` or ``:v1``; UsageError (`bad-tag`, `reserved-tag`)."""
    tag = text.removeprefix(":")
    if not _TAG.fullmatch(tag):
        raise UsageError(
            "bad-tag",
            f"{text!r} is not a tag.",
            expected="letters, digits, `_`, `.` and `-`, at most 128 of them, the first no `.` or `-`",
            found=text,
            hint="To another repository an image is copied: envlock copy SRC DST",
        )
    return _not_reserved(tag)


def is_lock_tag(tag: str) -> bool:
    """Tell whether a tag belongs to one lock (and one tree of project files) alone."""
    return _LOCK_TAG.fullmatch(tag) is not None


def neighbours(manifest: Manifest, env: str, lock: Lock) -> tuple[Reference, ...]:
    """Return the repositories where layers of an environment may be already.

    Its own first, then those of the other environments, then that of the base.
    """
    names = [env, *(name for name in sorted(manifest.environments) if name != env)]
    found = [repository for name in names if (repository := repository_of(manifest, name)) is not None]
    if lock.base is not None and lock.base.image is not None:
        found.append(Reference.parse(lock.base.image.reference))
    return tuple({reference.name: reference for reference in found}.values())


def _given(text: str, own: Reference | None, env: str) -> Reference:
    if text.startswith(":") or not is_reference(text):
        if own is None:
            raise _no_repository(env)
        return own.tagged(tag_of(text))
    reference = Reference.parse(text)
    if reference.digest is not None:
        raise UsageError(
            "bad-reference",
            f"{text!r} has a digest, and the digest of an image follows from its lock.",
            expected="REPOSITORY[:TAG]",
            found=text,
        )
    _not_reserved(str(reference.tag))
    return reference


def _not_reserved(tag: str) -> str:
    if is_lock_tag(tag):
        raise UsageError(
            "reserved-tag",
            f"The tag {tag} belongs to the image of one lock; push gives it by itself.",
            expected="another tag, such as v1",
            found=tag,
        )
    return tag


def _no_repository(env: str) -> UsageError:
    return UsageError(
        "no-repository",
        f"The manifest does not say where images of {env!r} go.",
        where=f"[env.{env}.image]",
        expected='repository = "registry.example.com/team/name"',
        hint="Add it, or give a whole reference: -t registry.example.com/team/name:v1",
    )
