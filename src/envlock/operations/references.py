"""Where images go in registries: repositories of the manifest, and the tags that users give."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from envlock.errors import IntegrityError, UsageError
from envlock.formats.project import LABEL_SOURCE
from envlock.image.oci import LABEL_LOCK
from envlock.model.lock import Lock
from envlock.model.manifest import Manifest
from envlock.model.reference import Reference, is_reference

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
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
    Raises UsageError (`no-image`, `no-repository`, `bad-reference`, `bad-tag`, `reserved-tag`).
    """
    if manifest.environment(env).image is None:
        raise no_image(env)
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
            hint="Another repository is a whole reference to push and pull; from one to another: envlock copy SRC DST",
        )
    return _not_reserved(tag)


def is_lock_tag(tag: str) -> bool:
    """Tell whether a tag belongs to one lock (and one tree of project files) alone."""
    return _LOCK_TAG.fullmatch(tag) is not None


def lock_tag(annotations: Mapping[str, str]) -> str | None:
    """Return the tag that belongs to an image alone, by what it says of its lock and files; None where it says none."""
    lock, source = (_SHA256.fullmatch(annotations.get(label, "")) for label in (LABEL_LOCK, LABEL_SOURCE))
    if lock is None:
        return None
    return f"lock-{lock[1][:16]}-src-{source[1][:16]}" if source else f"lock-{lock[1][:32]}"


def lock_tag_moved(at: Reference, expected: str, found: str) -> IntegrityError:
    """Return the error of a lock's tag that names another image than the one that it is to name, by their digests."""
    return IntegrityError(
        "lock-tag-moved",
        "The tag of a lock names another image in the registry.",
        where=str(at),
        expected=expected,
        found=found,
        hint="The same lock always gives the same image: somebody moved the tag, or the image was made by other "
        "means. Find out who, and delete the tag there; `envlock build --rebuild` proves this side.",
    )


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
    if not reference.registry and reference.repository.startswith("library/"):
        raise UsageError(
            "bad-reference",
            f"{text!r} names no repository of yours: without HOST/ or NAMESPACE/ it is one of Docker's own.",
            expected="HOST/REPOSITORY[:TAG], NAMESPACE/REPOSITORY[:TAG], or a tag alone for the manifest's repository",
            found=text,
            hint=f"-t {reference.tag or 'v1'}" if own is not None else "-t registry.example.com/team/name:v1",
        )
    if reference.digest is not None:
        raise UsageError(
            "bad-reference",
            f"{text!r} has a digest, and the digest of an image follows from its lock.",
            expected="REPOSITORY[:TAG]",
            found=text,
        )
    _not_reserved(str(reference.tag))
    return reference


def no_image(env: str) -> UsageError:
    """Return the error of an environment that no image is made of."""
    return UsageError(
        "no-image",
        f"Environment {env!r} has no image.",
        where=f"[env.{env}]",
        expected=f"[env.{env}.image] with a base",
        hint=f'Add a base such as "debian-bookworm-python3.11", then: envlock lock {env}',
    )


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
