"""The virtual environment that `sync` makes: what may be touched, and what its own files say of it."""

from __future__ import annotations

from pathlib import Path

from envlock.errors import UsageError
from envlock.formats.dist_info import read_direct_url
from envlock.formats.pylock import wheels_of
from envlock.formats.record import parse_record
from envlock.model.edges import Records
from envlock.model.lock import Lock
from envlock.model.platform import Platform
from envlock.observe.distributions import normalise

_MARK = ".envlock-unfinished"
_SEEDS = frozenset({"pip", "uv"})
_OLD_SEEDS = frozenset({"setuptools", "wheel"})


def unfinished_mark(venv: Path) -> Path:
    """Return the file that is there while `sync` is at work: an environment that has it was interrupted."""
    return venv / _MARK


def exists(venv: Path) -> bool:
    """Tell whether there is a virtual environment; False where there is nothing yet.

    Raises UsageError (`not-a-venv`) where there is something else, a system's or conda's Python included.
    """
    if not venv.exists() or (venv.is_dir() and not any(venv.iterdir())):
        return False
    if not (venv / "pyvenv.cfg").is_file():
        raise UsageError(
            "not-a-venv",
            "The folder is not a virtual environment, and nothing in it was touched.",
            where=str(venv),
            hint="Choose another folder with --venv.",
        )
    return True


def settings_of(venv: Path) -> dict[str, str]:
    """Return the keys of pyvenv.cfg in lower case, as site.py reads them (PEP 405)."""
    rows = (line.partition("=") for line in (venv / "pyvenv.cfg").read_text("utf-8", "replace").splitlines())
    return {key.strip().lower(): value.strip() for key, equals, value in rows if equals}


def feature_of(venv: Path) -> str:
    """Return the feature version of its Python, which uv writes as version_info and venv as version; empty if none."""
    settings = settings_of(venv)
    version = settings.get("version_info") or settings.get("version") or ""
    return ".".join(version.split(".")[:2])


def check_python(venv: Path, python: str, env: str) -> None:
    """Raise UsageError (`other-python`) for an environment of another feature version than `python`."""
    found = feature_of(venv)
    if found and found != python:
        raise UsageError(
            "other-python",
            "The virtual environment is of another Python than the lock, and was not touched.",
            where=str(venv),
            expected=f"Python {python}",
            found=f"Python {found}",
            hint=f"Make it anew with `envlock sync {env} --reinstall`, or choose another folder with --venv.",
        )


def other_builds(venv: Path, lock: Lock, platform: Platform, records: Records) -> frozenset[str]:
    """Return the locked packages whose installed RECORD lists other files than that of their wheel.

    uv takes another build of the locked version, such as one of a lock before, for the locked wheel. Of a wheel whose
    own RECORD `records` cannot find nothing is said.
    """
    folders = {
        normalise(folder.name.removesuffix(".dist-info").partition("-")[0]): folder
        for site in sites_of(venv)
        for folder in site.glob("*.dist-info")
    }
    return frozenset(
        package.name
        for package, wheel in wheels_of(lock, platform)
        if package.name in folders
        and (own := records(wheel)) is not None
        and _lists_others(folders[package.name] / "RECORD", own)
    )


def _lists_others(record: Path, own: bytes) -> bool:
    try:
        listed = {row.path: row.sha256 for row in parse_record(record.read_bytes()).rows}
    except OSError:
        return True
    # What lies in .data goes elsewhere, and its scripts get another first line.
    files = (row for row in parse_record(own).rows if row.sha256 and ".data/" not in row.path)
    return any(listed.get(row.path) != row.sha256 for row in files)


def sites_of(venv: Path) -> list[Path]:
    """Return the folders of installed packages: one on Linux and macOS, another one's name on Windows."""
    return [*venv.glob("lib/python*/site-packages"), *venv.glob("Lib/site-packages")][:1]


def seeds_of(venv: Path) -> frozenset[str]:
    """Return the names that uv leaves alone in it: what whoever made the environment put there to begin with."""
    settings = settings_of(venv)
    if "uv" in settings and settings.get("seed", "").lower() != "true":
        return frozenset()
    minor = feature_of(venv).partition(".")[2]
    return _SEEDS | _OLD_SEEDS if minor.isdigit() and int(minor) < 12 else _SEEDS


def foreign_origins(venv: Path) -> frozenset[str]:
    """Return the normalised names of what was installed from a path, a URL or a repository (PEP 610).

    uv takes it for the locked package where only the version is the same.
    """
    found = set()
    for site in sites_of(venv):
        for path in site.glob("*.dist-info/direct_url.json"):
            try:
                read_direct_url(path.read_bytes())
            except (OSError, ValueError):
                continue
            found.add(normalise(path.parent.name.removesuffix(".dist-info").partition("-")[0]))
    return frozenset(found)
