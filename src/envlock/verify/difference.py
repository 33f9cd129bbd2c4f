"""Compares two locks and ranks what differs by what it does to results."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from envlock.model.change import Area, Change, Difference, Kind
from envlock.model.finding import IMPACTS, Impact
from envlock.model.influence import PYTHON_RANK, SETTINGS_RANK, influence_of
from envlock.model.lock import Base, Lock, LockFile, Package
from envlock.verify.hardware_changes import hardware_changes
from envlock.verify.known import fact_about_setting, facts_between

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_NUMERIC_DEBS = re.compile(
    r"lib(openblas|blas|lapack|atlas|gomp|mkl|fftw|gslcblas|quadmath|gfortran|sleef|tbb).*|intel-mkl.*"
)
_C_LIBRARY = re.compile(r"libc6|libm6|libstdc\+\+6|libgcc-s1")
_RESULTS_ENV = re.compile(
    r"(TF|XLA|TORCH|CUDA|CUBLAS|CUDNN|NVIDIA|MKL|OMP|OPENBLAS|ONEDNN|DNNL|NPY|ATEN|JAX|PYTHONHASHSEED|KMP|NUMEXPR).*"
)

_THREADS = "Sums are taken in another order: matrix products, gradients and all training change in the last bits."
_OS_RANK, _LOCK_RANK = 70, 90
_STARTS = ("entrypoint", "cmd", "workdir", "user")
"""What of an image's configuration decides how a container starts."""


def compare_locks(before: LockFile, after: LockFile, *, before_name: str, after_name: str) -> Difference:
    """Return what changes from one lock to the other, the most consequential first."""
    old, new = before.lock, after.lock
    changes = [
        *_packages(old, new),
        *hardware_changes(old, new),
        *_python(old, new),
        *_settings(old, new),
        *_base(old, new),
        *_rest(old, new),
    ]
    changes.sort(key=lambda c: (IMPACTS.index(c.impact), c.rank, c.area, c.subject))
    changed = {
        change.subject
        for change in changes
        if change.area in ("framework", "numerics", "accelerator", "model", "package")
    }
    return Difference(
        before=before_name,
        after=after_name,
        before_digest=before.digest,
        after_digest=after.digest,
        changes=tuple(changes),
        unchanged_packages=sum(package.name not in changed for package in new.packages),
    )


def _change(
    area: Area, subject: str, before: str, after: str, why: str, impact: Impact, rank: int, kind: Kind | None = None
) -> Change:
    found: Kind = kind or ("added" if not before else "removed" if not after else "changed")
    return Change(area=area, kind=found, impact=impact, subject=subject, before=before, after=after, why=why, rank=rank)


def _packages(old: Lock, new: Lock) -> Iterator[Change]:
    was, now = _by_name(old), _by_name(new)
    frameworks = (*old.frameworks, *new.frameworks)
    asked = _asked_for(new)
    moved = f", as of {_day(old)} → {_day(new)}" if old.as_of != new.as_of else ""
    for name in sorted({*was, *now}):
        before, after = was.get(name, []), now.get(name, [])
        one, other = (" and ".join(dict.fromkeys(p.version for p in found)) for found in (before, after))
        rebuilt = one == other and _wheels(before) != _wheels(after)
        if one == other and not rebuilt:
            continue
        influence = influence_of(name, frameworks)
        facts = tuple(facts_between(name, one, other)) if one and other and not rebuilt else ()
        why = "The same version, from another wheel." if rebuilt else influence.why
        if name in new.frameworks:
            brought = "locked as a framework"
        elif name in asked:
            brought = f"asked for: {asked[name]}"
        else:
            brought = f"a dependency{moved}" if other else ""
        yield Change(
            area=influence.area,  # type: ignore[arg-type]  # areas of packages are areas
            kind="rebuilt" if rebuilt else "added" if not one else "removed" if not other else "changed",
            impact=influence.impact,
            subject=name,
            before=one,
            after=other,
            why=why,
            facts=facts,
            brought_by=brought,
            rank=influence.rank,
        )


def _by_name(lock: Lock) -> dict[str, list[Package]]:
    found: dict[str, list[Package]] = {}
    for package in lock.packages:
        found.setdefault(package.name, []).append(package)
    return found


def _wheels(packages: list[Package]) -> set[str]:
    return {wheel.sha256 for package in packages for wheel in package.wheels}


def _day(lock: Lock) -> str:
    return (lock.as_of or "today")[:10]


def _asked_for(lock: Lock) -> dict[str, str]:
    """Return the requirements of the manifest by normalised name."""
    found = {}
    for text in lock.inputs.get("requirements", "").split("; "):
        if match := _NAME.match(text):
            found[re.sub(r"[-_.]+", "-", match[1]).lower()] = text.strip()
    return found


def _python(old: Lock, new: Lock) -> Iterator[Change]:
    if old.python != new.python:
        why = "Other wheels are installed, and the standard library differs; no numpy result was seen to differ."
        yield _change("python", "python", old.python, new.python, why, "results", PYTHON_RANK)
    one, other = (lock.base.python if lock.base else "" for lock in (old, new))
    if old.python == new.python and one != other and one and other:
        why = "Patch releases fix bugs, rarely ones that change numbers."
        yield _change("python", "python", one, other, why, "compat", PYTHON_RANK)
    platforms = [", ".join(map(str, lock.platforms)) for lock in (old, new)]
    if platforms[0] != platforms[1]:
        why = "Another platform has other wheels with other kernels."
        yield _change("python", "platforms", platforms[0], platforms[1], why, "results", PYTHON_RANK)


def _settings(old: Lock, new: Lock) -> Iterator[Change]:
    if old.settings.threads != new.settings.threads:
        one, other = (str(lock.settings.threads or "as many as there are CPUs") for lock in (old, new))
        why = fact_about_setting("threads") or _THREADS
        yield _change("settings", "threads", one, other, why, "results", SETTINGS_RANK, "changed")
    yield from _variables("settings", old.settings.env, new.settings.env)


def _variables(area: Area, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    """Yield what changes of environment variables; those of an image are set in its containers alone."""
    for name in sorted({*old, *new}):
        one, other = old.get(name, ""), new.get(name, "")
        if one != other:
            results = _RESULTS_ENV.fullmatch(name) is not None
            why = fact_about_setting(name) or (
                "It chooses kernels, their order or their seed." if results else "Programs may read it."
            )
            impact: Impact = "results" if results else "compat"
            yield _change(area, name, one, other, why, impact, SETTINGS_RANK)


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
        yield _change(
            "image", "base", named[0], named[1], "Another base brings another operating system.", "compat", _OS_RANK
        )
    glibc = [base.glibc if base else "" for base in (one, other)]
    if glibc[0] != glibc[1] and all(glibc):
        why = "exp, sin and pow come from its libm, and their last bits have changed between releases."
        yield _change("os", "glibc", glibc[0], glibc[1], why, "results", PYTHON_RANK + 5)
    was, now = ({(d.name, d.architecture): d.version for d in base.packages} if base else {} for base in (one, other))
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
        yield _change("os", subject, versions[0], versions[1], why, impact, rank)
    yield from _run(one, other)
    effects = [" ".join(base.effects) if base else "" for base in (one, other)]
    if effects[0] != effects[1] and all(named):
        yield _change(
            "image",
            "effects",
            effects[0],
            effects[1],
            "What the base does instead of maintainer scripts.",
            "compat",
            _OS_RANK,
        )


def _run(old: Base | None, new: Base | None) -> Iterator[Change]:
    """Yield what changes of the steps that were executed, else of what they left behind."""
    steps = [_text(base.run) if base else "" for base in (old, new)]
    if steps[0] != steps[1]:
        yield _change("image", "run", steps[0], steps[1], "Steps may put anything into the image.", "compat", _OS_RANK)
        return
    was, now = ({row.platform: row.sha256 for row in base.run_layers} if base else {} for base in (old, new))
    for platform in sorted({*was, *now}):
        one, other = (f"sha256 {found[platform][:12]}" if platform in found else "" for found in (was, now))
        if was.get(platform) != now.get(platform):
            why = "The steps were executed again, and left other files behind."
            yield _change("image", f"run on {platform}", one, other, why, "compat", _OS_RANK)


def _rest(old: Lock, new: Lock) -> Iterator[Change]:
    if (old.image is None) != (new.image is None):
        there = [("an image" if lock.image else "") for lock in (old, new)]
        yield _change(
            "image", "image", there[0], there[1], "Whether an image is built of the lock.", "compat", _OS_RANK
        )
    if old.image and new.image:
        for field in old.image.__struct_fields__:
            one, other = (_text(getattr(lock.image, field)) for lock in (old, new))
            if one != other and field != "env":
                impact: Impact = "compat" if field in _STARTS else "cosmetic"
                why = "What a container starts with." if field in _STARTS else "Only how the image is stored."
                yield _change("image", field, one, other, why, impact, _OS_RANK)
        yield from _variables("image", old.image.env, new.image.env)
    if old.policy != new.policy:
        why = "What verify calls an error."
        yield _change("lock", "policy", old.policy, new.policy, why, "compat", _LOCK_RANK)
    if old.as_of != new.as_of:
        why = "Releases uploaded later do not exist for the resolver."
        yield _change("lock", "as-of", old.as_of or "none", new.as_of or "none", why, "cosmetic", _LOCK_RANK)
    if old.frameworks != new.frameworks:
        why = "Which packages are told first."
        lists = [", ".join(lock.frameworks) or "none" for lock in (old, new)]
        yield _change("lock", "frameworks", lists[0], lists[1], why, "cosmetic", _LOCK_RANK)
    if old.urls != new.urls:
        why = "Whether the lock keeps URLs; the files are the same."
        yield _change("lock", "urls", old.urls, new.urls, why, "cosmetic", _LOCK_RANK)
    if old.layer_spec != new.layer_spec:
        why = "The bytes of images change, their files don't."
        yield _change("image", "layer-spec", str(old.layer_spec), str(new.layer_spec), why, "cosmetic", _LOCK_RANK)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return json.dumps(value) if value else ""
    return str(value)
