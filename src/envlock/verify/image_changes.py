"""What changes from one lock to another in the image: what it stands on, and what its configuration says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec

from envlock.model import records
from envlock.model.change import Change, change_of
from envlock.model.finding import Impact
from envlock.model.influence import PYTHON_RANK
from envlock.model.lock import Base, Lock
from envlock.verify.settings_changes import names_of, variable_changes

_NUMERIC_DEBS = re.compile(
    r"lib(openblas|blas|lapack|atlas|gomp|mkl|fftw|gslcblas|quadmath|gfortran|sleef|tbb).*|intel-mkl.*"
)
_C_LIBRARY = re.compile(r"libc6|libm6|libstdc\+\+6|libgcc-s1")
_STARTS = ("entrypoint", "cmd", "workdir", "user")
"""What of an image's configuration decides how a container starts."""
_OS_RANK, _LAST_RANK = 70, 90


class _Asked(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What of the image's table in a lock's inputs is looked at."""

    os_packages: tuple[str, ...] = ()


def image_changes(old: Lock, new: Lock) -> Iterator[Change]:
    """Yield changes of the base, its packages and steps, and of the image's configuration."""
    yield from _base(old, new)
    yield from _system(old, new)
    if (old.image is None) != (new.image is None):
        there = [("an image" if lock.image else "") for lock in (old, new)]
        yield change_of(
            "image", "image", there[0], there[1], "Whether an image is built of the lock.", "compat", _OS_RANK
        )
    if old.image and new.image:
        for field in old.image.__struct_fields__:
            one, other = (_text(getattr(lock.image, field)) for lock in (old, new))
            if one != other and field != "env":
                impact: Impact = "compat" if field in _STARTS else "cosmetic"
                why = "What a container starts with." if field in _STARTS else "Only how the image is stored."
                yield change_of("image", field, one, other, why, impact, _OS_RANK)
        yield from variable_changes("image", old.image.env, new.image.env, names_of(old, new))
    if old.layer_spec != new.layer_spec:
        why = "The bytes of images change, their files don't."
        yield change_of("image", "layer-spec", str(old.layer_spec), str(new.layer_spec), why, "cosmetic", _LAST_RANK)


def _base_name(base: Base | None) -> str:
    """Return the recipe of a base, or its reference with the first digits of its digests, which tell a moved tag."""
    if base is None or base.image is None:
        return base.recipe or "" if base else ""
    digests = sorted(each.digest.partition(":")[2][:12] for each in base.image.manifests)
    return f"{base.image.reference}@{','.join(digests)}"


def _base(old: Lock, new: Lock) -> Iterator[Change]:
    one, other = old.base, new.base
    named = [_base_name(base) for base in (one, other)]
    if named[0] != named[1]:
        yield change_of(
            "image", "base", named[0], named[1], "Another base brings another operating system.", "compat", _OS_RANK
        )
    glibc = [base.glibc if base else "" for base in (one, other)]
    if glibc[0] != glibc[1] and all(glibc):
        why = "exp, sin and pow come from its libm, and their last bits have changed between releases."
        yield change_of("os", "glibc", glibc[0], glibc[1], why, "results", PYTHON_RANK + 5)
    yield from _run(one, other)
    days = [_archives(base) for base in (one, other)]
    if days[0] != days[1] and all(named):
        why = "When the archive of packages was asked; which packages that changed is told by themselves."
        yield change_of("os", "archive of packages", days[0], days[1], why, "cosmetic", _LAST_RANK)
    effects = [" ".join(base.effects) if base else "" for base in (one, other)]
    if effects[0] != effects[1] and all(named):
        yield change_of(
            "image",
            "effects",
            effects[0],
            effects[1],
            "What the base does instead of maintainer scripts.",
            "compat",
            _OS_RANK,
        )


def _system(old: Lock, new: Lock) -> Iterator[Change]:
    """Yield changes of the packages of the operating system, with what brought each of them in."""
    was, now = (
        {(d.name, d.architecture): d.version for d in lock.base.packages} if lock.base else {} for lock in (old, new)
    )
    asked_before, asked = _os_packages(old), _os_packages(new)
    moved = ""
    if old.base and new.base and _base_name(old.base) != _base_name(new.base):
        moved = "with the base"
    elif old.base and new.base and _archives(old.base) != _archives(new.base):
        moved = "with the archive"
    for name, architecture in sorted({*was, *now}):
        versions = was.get((name, architecture), ""), now.get((name, architecture), "")
        if versions[0] == versions[1]:
            continue
        impact: Impact = "compat"
        rank, why = _OS_RANK + 5, "A package of the operating system."
        if _NUMERIC_DEBS.fullmatch(name):
            impact, rank, why = "results", 25, "A numerical library: sums are taken in another order."
        elif _C_LIBRARY.fullmatch(name):
            rank, why = _OS_RANK, "A library that every wheel is linked with."
        subject = name if architecture in ("amd64", "all") else f"{name}:{architecture}"
        brought = moved
        if (name in asked) != (name in asked_before):
            brought = "image.os-packages" if name in asked else "no longer in image.os-packages"
        yield change_of("os", subject, versions[0], versions[1], why, impact, rank, brought_by=brought)


def _os_packages(lock: Lock) -> frozenset[str]:
    """Return the packages that the manifest asks for, by the inputs of a lock."""
    try:
        return frozenset(records.from_json(lock.inputs.get("image", "{}"), _Asked).os_packages)
    except (msgspec.DecodeError, ValueError, RecursionError):  # a lock that another tool wrote
        return frozenset()


def _archives(base: Base | None) -> str:
    """Return the days of the release files that packages were chosen by."""
    return ", ".join(f"{suite.suite} {suite.date[:10]}" for suite in base.suites) if base else ""


def _run(old: Base | None, new: Base | None) -> Iterator[Change]:
    """Yield what changes of the steps that were executed, else of what they left behind."""
    steps = [_text(base.run) if base else "" for base in (old, new)]
    if steps[0] != steps[1]:
        yield change_of(
            "image", "run", steps[0], steps[1], "Steps may put anything into the image.", "compat", _OS_RANK
        )
        return
    was, now = ({row.platform: row.sha256 for row in base.run_layers} if base else {} for base in (old, new))
    for platform in sorted({*was, *now}):
        one, other = (f"sha256 {found[platform][:12]}" if platform in found else "" for found in (was, now))
        if was.get(platform) != now.get(platform):
            why = "The steps were executed again, and left other files behind."
            yield change_of("image", f"run on {platform}", one, other, why, "compat", _OS_RANK)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return json.dumps(value) if value else ""
    return str(value)
