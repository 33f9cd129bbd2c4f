"""Drift of the lock and the manifest: stale, edited, exchanged, or of another time."""

from __future__ import annotations

import re
from functools import partial

from msgspec.structs import replace

from envlock.formats.pylock import read_lock, write_lock
from envlock.model.lock import Package
from tests.integration.bench import Bench
from tests.integration.drift import UNSEEN, drift


def _stale(bench: Bench) -> None:
    bench.replace(bench.manifest, "tqdm==4.64.0", "tqdm>=4.64.0")


def _stale_settings(bench: Bench) -> None:
    bench.change(bench.manifest, lambda text: text + b"\n[env.small.settings]\nthreads = 2\n")


def _edited(bench: Bench) -> None:
    bench.change(bench.lock, lambda text: text.replace(b"4.64.0", b"4.65.0"))


def _edited_settings(bench: Bench) -> None:
    bench.replace(bench.lock, "[tool.envlock.settings]\n", "[tool.envlock.settings]\nthreads = 1\n")


def _other_digest(bench: Bench) -> None:
    """Written as envlock writes it, its own digests included: another wheel's `contents` and RECORD."""
    read = read_lock(bench.lock).lock

    def changed(package: Package) -> Package:
        wheels = tuple(replace(wheel, contents="0" * 64, record="0" * 64) for wheel in package.wheels)
        return replace(package, wheels=wheels) if package.name == "tqdm" else package

    bench.write(bench.lock, write_lock(replace(read, packages=tuple(map(changed, read.packages)))))


def _another_environments(bench: Bench) -> None:
    bench.replace(bench.lock, 'env = "small"', 'env = "large"')


def _newer_schema(bench: Bench) -> None:
    bench.replace(bench.lock, "[tool.envlock]\nschema = 1", "[tool.envlock]\nschema = 99")


def _conflict(bench: Bench) -> None:
    bench.change(bench.lock, lambda text: b"<<<<<<< ours\n" + text + b"=======\n>>>>>>> theirs\n")


def _cut_off(bench: Bench) -> None:
    bench.change(bench.lock, lambda text: text[: len(text) // 2])


def _gone(bench: Bench) -> None:
    bench.lock.unlink()


def _foreign(bench: Bench) -> None:
    """What uv would write over it."""
    bench.change(bench.lock, lambda text: re.split(rb"\n\[tool\.envlock\]", text)[0] + b"\n")


def _raised(bench: Bench) -> None:
    """A team that wants no extras says so in its manifest."""
    bench.change(bench.manifest, lambda text: text + b'\n[env.small.verify]\nrules = { "package-extra" = "error" }\n')
    bench.install("iniconfig==2.0.0")


def _waiver(until: str, subject: str = "tqdm*") -> bytes:
    table = f'rule = "package-version"\nsubject = "{subject}"\nreason = "Tried out."\nuntil = {until}\n'
    return f"\n[[env.small.verify.waivers]]\n{table}".encode()


def _waiver_expired(bench: Bench) -> None:
    bench.change(bench.manifest, lambda text: text + _waiver('"2026-01-31"'))
    bench.install("tqdm==4.65.0")


def _waiver_of_another(bench: Bench) -> None:
    bench.change(bench.manifest, lambda text: text + _waiver('"2999-01-31"', "numpy"))
    bench.install("tqdm==4.65.0")


row = partial(drift, "Lock and manifest")
LOCKS = (
    row("a stale lock: another requirement", _stale, "lock-stale", 1),
    row("a stale lock: another setting", _stale_settings, "lock-stale", 1),
    row("the lock edited by hand", _edited, "edited-lock", 4),
    row("the lock's settings edited by hand", _edited_settings, "edited-lock", 4),
    row("the lock forged, its own digests too", _other_digest, "file-tampered", 4, quick=UNSEEN),
    row("another environment's lock under the name", _another_environments, "edited-lock", 4),
    row("a lock of a newer schema", _newer_schema, "newer-lock", 2),
    row("a lock with conflict markers", _conflict, "conflict-markers", 2),
    row("a lock cut off", _cut_off, "bad-lock", 2),
    row("no lock", _gone, "no-lock", 2),
    row("a pylock that another tool wrote", _foreign, "foreign-lock", 2),
    row("an extra package, where the manifest makes it an error", _raised, "package-extra", 1),
    row("a waiver that has expired", _waiver_expired, "waiver-expired", 1, beside=("package-version",)),
    row("a waiver of something else", _waiver_of_another, "package-version", 1),
)  # fmt: skip
