"""Dependencies as entries of a lock name each other (PEP 751, packages.dependencies)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from envlock.model import records
from envlock.model.artifact import PackageName
from envlock.model.lock import Package
from envlock.model.platform import Platform


class DependencyRows:
    """Names the dependencies of a lock's packages without ambiguity."""

    def __init__(self, packages: Iterable[Package], platforms: Sequence[Platform]) -> None:
        self._platforms = platforms
        self._by_name: dict[str, list[Package]] = {}
        for package in packages:
            self._by_name.setdefault(package.name, []).append(package)

    def of(self, package: Package) -> Iterator[dict[str, str]]:
        """Yield a row for each dependency: where several versions are locked, one for each on a platform of both."""
        for name in package.dependencies:
            versions = self._by_name.get(name, [])
            if len(versions) <= 1:
                yield {"name": name}
                continue
            for other in versions:
                if self._where(package) & self._where(other):
                    yield {"name": name, "version": other.version}

    def _where(self, package: Package) -> set[Platform]:
        marker = package.marker
        return {platform for platform in self._platforms if marker is None or f"({platform.marker})" in marker}


def read_dependencies(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the names in the rows of one package; msgspec.ValidationError for what is no normalised name."""
    return tuple(dict.fromkeys(records.convert(row["name"], PackageName) for row in rows))


def check_dependencies(packages: Iterable[Package]) -> None:
    """Raise ValueError where a dependency is no package of the same lock."""
    packages = tuple(packages)
    names = {package.name for package in packages}
    for package in packages:
        if missing := sorted({*package.dependencies} - names):
            raise ValueError(f"{package.name} depends on {missing[0]!r}, which is not in this lock")
