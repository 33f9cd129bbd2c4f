"""From a resolver's offers to an environment: exactly one file per package and platform."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import msgspec
from packaging.pylock import Package as PylockPackage
from packaging.pylock import PackageWheel, Pylock, PylockSelectError

from envlock.errors import UsageError
from envlock.formats.pylock import rfc3339
from envlock.formats.tags import environment_of, target_tags
from envlock.model.lock import Package
from envlock.model.platform import Platform


class Selected(msgspec.Struct, frozen=True, kw_only=True):
    """The one file of a package for one platform, as the index lists it."""

    package: str
    version: str
    kind: Literal["wheel", "sdist"]
    name: str
    url: str | None
    path: str | None
    """Where a local index or find-links folder holds it."""
    size: int | None
    sha256: str
    upload_time: str | None


def select(packages: Sequence[Mapping[str, Any]], *, python: str, platform: Platform, glibc: str) -> list[Selected]:
    """Choose per package as an installer on the target would (PEP 751, "Installation").

    Raises UsageError (`no-file`) naming a package that has nothing for the target.
    """
    pylock = _pylock(packages)
    by_name = {package["name"]: package for package in packages}
    chosen = []
    try:
        pairs = _installed(pylock, python, platform, glibc)
    except PylockSelectError as error:
        raise UsageError(
            "no-file",
            f"A package has no wheel and no sdist for {platform}, Python {python}"
            + (f", glibc {glibc}." if platform.is_linux else "."),
            found=str(error),
            hint="Choose another version, a base with a newer glibc, or drop the platform.",
        ) from None
    for package, artifact in pairs:
        row = by_name[package.name]
        offered = [row["sdist"]] if artifact is package.sdist else row.get("wheels", [])
        raw = next((o for o in offered if _filename(o) == getattr(artifact, "filename", None)), None)
        if raw is None or package.version is None:
            raise UsageError(
                "unlockable-source",
                f"{package.name} comes from a folder, an archive or a repository, which cannot be locked by its files.",
                hint="Build a wheel of it and point a find-links folder at it.",
            )
        chosen.append(
            Selected(
                package=str(package.name),
                version=str(package.version),
                kind="sdist" if artifact is package.sdist else "wheel",
                name=_filename(raw),
                url=None if _local(raw) else raw.get("url"),
                path=_local(raw),
                size=raw.get("size"),
                sha256=_sha256(raw, str(package.name)),
                upload_time=_moment(raw.get("upload-time")),
            )
        )
    return sorted(chosen, key=lambda row: row.package)


def assert_selects_back(
    packages: Sequence[Package], resolutions: Mapping[Platform, Sequence[Selected]], *, python: str, glibc: str
) -> None:
    """Check that an installer takes from the merged packages what was resolved for each platform, and nothing else.

    Raises UsageError (`platforms-disagree`) naming the platform and what differs.
    """
    merged = _pylock([_row(package) for package in packages])
    built = {wheel.sha256 for package in packages for wheel in package.wheels if package.built(wheel)}
    for platform, rows in resolutions.items():
        expected = {(row.package, row.version, "built" if row.kind == "sdist" else row.sha256) for row in rows}
        try:
            pairs = _installed(merged, python, platform, glibc)
        except PylockSelectError as error:
            raise _disagree(platform, str(error)) from None
        found = {
            (
                str(package.name),
                str(package.version),
                "built" if (sha256 := wheel.hashes["sha256"]) in built else sha256,
            )
            for package, wheel in pairs
            if isinstance(wheel, PackageWheel)
        }
        if found != expected:
            raise _disagree(platform, ", ".join(sorted({f"{name} {version}" for name, version, _ in found ^ expected})))


def _row(package: Package) -> dict[str, Any]:
    wheels = [{"name": wheel.name, "path": wheel.name, "hashes": {"sha256": wheel.sha256}} for wheel in package.wheels]
    row = {"name": package.name, "version": package.version, "wheels": wheels}
    return row | ({"marker": package.marker} if package.marker else {})


def _installed(pylock: Pylock, python: str, platform: Platform, glibc: str) -> list[tuple[PylockPackage, Any]]:
    """Return what an installer on the target takes of a pylock; PylockSelectError where that is not defined."""
    environment = environment_of(python, platform)
    return list(pylock.select(environment=environment, tags=target_tags(python, platform, glibc)))  # type: ignore[arg-type]


def _disagree(platform: Platform, found: str) -> UsageError:
    return UsageError(
        "platforms-disagree",
        f"The merged lock would install something else on {platform} than was resolved for it.",
        found=found,
        hint="Put this platform into an environment of its own.",
    )


def _pylock(packages: Sequence[Mapping[str, Any]]) -> Pylock:
    return Pylock.from_dict({"lock-version": "1.0", "created-by": "envlock", "packages": list(packages)})


def _filename(raw: Mapping[str, Any]) -> str:
    place = urlsplit(raw["url"]).path if raw.get("url") else str(raw.get("path", ""))
    return str(raw.get("name") or unquote(place.rpartition("/")[2]))


def _local(raw: Mapping[str, Any]) -> str | None:
    """Return the path of a file that a find-links folder or a local index holds, which uv gives as a file: URL."""
    parts = urlsplit(raw.get("url") or "")
    return unquote(parts.path) if parts.scheme == "file" else raw.get("path")


def _sha256(raw: Mapping[str, Any], package: str) -> str:
    sha256 = raw.get("hashes", {}).get("sha256")
    if not sha256:
        raise UsageError(
            "no-hash", f"The index gives no sha256 for {_filename(raw)}.", where=package, hint="Use an index that does."
        )
    return str(sha256)


def _moment(value: datetime.datetime | None) -> str | None:
    return None if value is None else rfc3339(value)
