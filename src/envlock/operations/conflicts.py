"""Wheels that cannot stand in one environment: other bytes for the same path."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack

from envlock.errors import IntegrityError
from envlock.formats.wheel import WheelFile
from envlock.image.install import Owned, check_conflicts, installed_files, venv_skeleton
from envlock.model.artifact import Wheel

Listing = Callable[[Wheel], AbstractContextManager[WheelFile]]
"""Opens a locked wheel to be asked what it installs. Only its RECORD has to be known to be the locked one, which names
every other file by its sha256; the rest of the wheel need not be here."""
_CONNECTIONS = 8


def refuse_locked_conflicts(wheels: Sequence[Wheel], python: str, listing: Listing) -> None:
    """Raise UsageError (`file-conflict`) where locked wheels conflict, of which nothing but listings are read.

    `python` is the feature version. Raises IntegrityError (`record-mismatch`) for a RECORD that is not the locked one.
    """
    with ExitStack() as opened:
        with ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="listing") as threads:
            listed = [threads.submit(_opened, listing, wheel, opened) for wheel in wheels]
        refuse_conflicts([future.result() for future in listed], python)


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


def check_record(wheel: Wheel, file: WheelFile) -> WheelFile:
    """Return a wheel whose RECORD is the locked one; IntegrityError (`record-mismatch`) for any other."""
    if file.record_sha256 != wheel.record:
        raise IntegrityError(
            "record-mismatch",
            f"{wheel.name} does not have the RECORD that the lock gives.",
            where=wheel.name,
            expected=wheel.record,
            found=file.record_sha256,
            hint="The lock was edited, or the index lied when it was made: run `envlock lock` again and compare.",
        )
    return file


def _opened(listing: Listing, wheel: Wheel, opened: ExitStack) -> WheelFile:
    return check_record(wheel, opened.enter_context(listing(wheel)))
