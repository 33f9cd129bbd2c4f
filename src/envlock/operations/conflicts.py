"""Wheels that cannot stand in one environment: other bytes for the same path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from envlock.formats.wheel import WheelFile
from envlock.image.install import Owned, check_conflicts, installed_files, venv_skeleton


def refuse_conflicts(wheels: Iterable[WheelFile], python: str) -> None:
    """Raise UsageError (`file-conflict`) naming two wheels and a path; `python` is the feature version.

    A wheel that cannot be installed, such as one with a climbing entry point, is an IntegrityError (`bad-wheel`).
    """

    def owned() -> Iterator[Owned]:
        for entry, _ in venv_skeleton(f"{python}.0", f"/usr/bin/python{python}"):
            if entry.kind != "dir":
                yield Owned(path=entry.path, owner="the virtual environment", sha256="")
        for wheel in wheels:
            for file in installed_files(wheel, python):
                yield Owned(path=file.path, owner=wheel.filename, sha256=file.sha256)

    check_conflicts(owned())
