"""What a folder says of its Python environment before there is a manifest: requirements, locks, a live venv."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from envlock.errors import UsageError
from envlock.locking.frameworks import FRAMEWORKS
from envlock.locking.pyproject import project_requirements
from envlock.locking.requirements_file import written_out
from envlock.locking.sources import read_sources, read_toml
from envlock.model.manifest import Environment

_SOURCES = ("uv.lock", "poetry.lock", "requirements.txt", "pyproject.toml")
_VENVS = (".venv", "venv")
_VERSION = re.compile(r"^version(?:_info)?\s*=\s*(3\.\d+)", re.MULTILINE)
_SEEDS = ("pip", "setuptools", "wheel")


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What `init` goes by."""

    source: str | None = None
    """The file that says most: another tool's lock before requirements before a pyproject.toml."""
    others: tuple[str, ...] = ()
    venv: str | None = None
    """A virtual environment, by its folder's name."""
    python: str
    """Feature version."""
    python_from: str
    """What says so."""
    frameworks: dict[str, str] = {}
    """Project to specifier, of those frameworks whose version is known."""
    pinned: bool = False
    """Whether the source pins other releases too, which a cutoff could make impossible."""
    groups: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    needs_groups: bool = False
    """Whether the source asks for nothing but its groups."""
    requirements: tuple[str, ...] = ()
    """Pins of the venv, where no file says what is wanted."""

    @property
    def locked_elsewhere(self) -> bool:
        """Whether the source is another tool's lock."""
        return self.source in ("uv.lock", "poetry.lock")


def look_around(folder: Path, *, python: str | None, default_python: str) -> Surroundings:
    """Look at a folder; `python` is what the user said, `default_python` what counts where nothing says anything."""
    there = [name for name in _SOURCES if (folder / name).is_file() and _says_something(folder / name)]
    source = there[0] if there else None
    venv = next((name for name in _VENVS if (folder / name / "pyvenv.cfg").is_file()), None)
    installed = _installed(folder / venv) if venv else {}
    version, said_by = _python(folder, venv, python, default_python)
    wanted = _wanted(folder, source, version) if source else ()
    requested = tuple(f"{name}=={installed[name]}" for name in sorted(installed)) if source is None else ()
    pyproject = read_toml(folder / "pyproject.toml", "pyproject.toml") if "pyproject.toml" in there else {}
    frameworks = _frameworks(wanted or requested, installed)
    return Surroundings(
        source=source,
        others=tuple(there[1:]),
        venv=venv,
        python=version,
        python_from=said_by,
        frameworks=frameworks,
        pinned=any("==" in text and _name(text) not in frameworks for text in wanted),
        groups=tuple(sorted(pyproject.get("dependency-groups", {}))),
        extras=tuple(sorted(pyproject.get("project", {}).get("optional-dependencies", {}))),
        needs_groups=source == "pyproject.toml" and not pyproject.get("project", {}).get("dependencies"),
        requirements=tuple(text for text in requested if _name(text) not in frameworks),
    )


def _says_something(path: Path) -> bool:
    """Whether a pyproject.toml names dependencies: many configure tools alone."""
    if path.name != "pyproject.toml":
        return True
    document = read_toml(path, path.name)
    return "project" in document or bool(document.get("dependency-groups"))


def _python(folder: Path, venv: str | None, said: str | None, default: str) -> tuple[str, str]:
    if said:
        return said, "--python"
    if venv:
        found = _VERSION.search((folder / venv / "pyvenv.cfg").read_text("utf-8", "replace"))
        if found:
            return found[1], venv
    pin = folder / ".python-version"
    if pin.is_file():
        found = re.match(r"(?:cpython-?)?(3\.\d+)", pin.read_text("utf-8", "replace").strip())
        if found:
            return found[1], pin.name
    return default, "the Python that envlock runs on"


def _installed(venv: Path) -> dict[str, str]:
    """Return the projects that somebody asked an installer for (REQUESTED, PEP 376), or all of them, with versions."""
    folders = sorted(
        [*venv.glob("lib/python3*/site-packages/*.dist-info"), *venv.glob("Lib/site-packages/*.dist-info")]
    )
    rows = {}
    for path in folders:
        name, _, version = path.name.removesuffix(".dist-info").rpartition("-")
        if _name(name) not in _SEEDS:
            rows[_name(name)] = (version, (path / "REQUESTED").is_file())
    requested = {name: version for name, (version, asked) in rows.items() if asked}
    return requested or {name: version for name, (version, _) in rows.items()}


def _wanted(folder: Path, source: str, python: str) -> Sequence[str]:
    """Return what the source asks for directly; of another tool's lock its roots, at the locked version."""
    try:
        if source == "requirements.txt":
            return [row for row in written_out(folder / source, source) if not row.startswith("-")]
        if source == "pyproject.toml":
            return project_requirements(read_toml(folder / source, source), (), (), source)
        sources = read_sources(Environment(python=python, from_=(source,)), folder)
    except UsageError:
        return ()
    pins = {_name(pin): pin.partition(";")[0].strip() for pin in sources.constraints}
    return [pins.get(_name(root), root) for root in sources.requirements]


def _frameworks(wanted: Sequence[str], installed: Mapping[str, str]) -> dict[str, str]:
    """Return the frameworks among the requirements at their exact version, the installed one where none is said."""
    found: dict[str, str] = {}
    for text in wanted:
        name = _name(text)
        if name not in FRAMEWORKS:
            continue
        pinned = re.search(r"===?\s*([^\s,;]+)", text.partition(";")[0])
        if pinned and not pinned[1].endswith("*"):
            found[name] = f"=={pinned[1]}"
        elif name in installed:
            found[name] = f"=={installed[name]}"
    return found


def _name(text: str) -> str:
    """Return the normalised project of a requirement."""
    from packaging.utils import canonicalize_name

    found: Any = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", text)
    return str(canonicalize_name(found[0])) if found else text
