"""Environments that are as they should be, made in fifty ways by the tools that people use."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from envlock.model.machine import Machine
from tests.integration.bench import clean_variables, uv
from tests.integration.programs import python_of
from tests.integration.project import Project
from tests.unit.machines import replay
from tests.unit.wheels import make_wheel

PYTHONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
_FEATURE = f"{sys.version_info.major}.{sys.version_info.minor}"
_BUILD = '[build-system]\nrequires = ["{requires}"]\nbuild-backend = "{backend}"\n\n'
_METADATA = '[project]\nname = "churn"\nversion = "1.0"\ndescription = "The user\'s own."\n'
_BACKENDS = {
    "setuptools": ("setuptools==75.6.0", "setuptools.build_meta"),
    "hatchling": ("hatchling==1.27.0", "hatchling.build"),
    "flit": ("flit_core==3.10.1", "flit_core.buildapi"),
    "uv": ("uv_build==0.9.0", "uv_build"),
    "poetry": ("poetry-core==2.0.1", "poetry.core.masonry.api"),
    "pdm": ("pdm-backend==2.4.3", "pdm.backend"),
}


class Place:
    """The locked project, and a folder of its own for one environment."""

    def __init__(self, project: Project, folder: Path, wheels: Path) -> None:
        self.project = project
        self.folder = folder
        self.wheels = wheels
        """The locked wheels of every Python, as `pip download` leaves them."""
        self.venv = folder / "venv"
        self.target: str | None = None
        """What is verified, where it is not `venv`."""
        self.variables: dict[str, str] = {}
        self.without: tuple[str, ...] = ()
        """Variables that are not set."""
        self.machine: Machine | None = None
        """A recorded one."""
        self.before: tuple[str, ...] = ()
        """Words before the command: it then runs as a process of its own."""

    def pins(self, python: str) -> list[str]:
        """The locked packages of a Python, as requirements."""
        return ["jmespath==0.10.0", "tqdm==4.64.0", f"markupsafe=={'2.1.5' if python == '3.8' else '3.0.2'}"]

    def by_uv(self, *options: str, python: str = "3.11", install: tuple[str, ...] = ()) -> None:
        """`uv venv` and `uv pip install`."""
        uv("venv", "--python", python_of(python), *options, self.venv)
        self.fill(*install, python=python)

    def fill(self, *options: str, python: str = "3.11") -> None:
        """Put the locked packages there by uv."""
        uv("pip", "install", "--python", self.venv, "--no-deps", *options, *self.pins(python))

    def add(self, *requirements: str | Path) -> None:
        """Install more, without what it requires."""
        uv("pip", "install", "--python", self.venv, "--no-deps", *requirements)

    def by_pip(self, *options: str, python: str = "3.11", interpreter: str = "") -> None:
        """`python -m venv`, filled by a pip from outside as by one inside."""
        words = [interpreter or python_of(python), "-m", "venv", "--without-pip", *options, str(self.venv)]
        self.run(*words)
        self.pip(*self.pins(python))

    def pip(self, *arguments: str) -> None:
        """`pip install` from the locked wheels."""
        uv("tool", "run", "--python", python_of("3.11"), "--from", "pip==24.3.1", "pip", "--python", self.venv,
           "install", "--quiet", "--no-deps", "--no-index", "--find-links", self.wheels, *arguments)  # fmt: skip

    def run(self, *command: str | Path) -> None:
        """Run a program with a clean environment."""
        kept = {name: value for name, value in clean_variables().items() if not name.startswith("PIP_")}
        done = subprocess.run([*map(str, command)], env=kept, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def python(self, *arguments: str | Path) -> None:
        """Run the environment's Python."""
        self.run(self.venv / "bin/python", *arguments)


class Clean(msgspec.Struct, frozen=True, kw_only=True):
    """One environment without a fault."""

    name: str
    make: Callable[[Place], object]
    env: str = "py311"
    notes: tuple[str, ...] = ()
    """Rules that may tell something, short of an error; none where nothing may be said."""


def _virtualenv(place: Place, release: str, options: tuple[str, ...] = ()) -> None:
    uv("tool", "run", "--python", python_of("3.11"), "--from", f"virtualenv=={release}", "virtualenv", "--quiet",
       *options, place.venv)  # fmt: skip
    place.fill()


def _project(place: Place, backend: str, layout: str = "src/churn") -> None:
    place.by_uv()
    folder = place.folder / "churn"
    requires, module = _BACKENDS[backend]
    (folder / layout).mkdir(parents=True)
    (folder / layout / "__init__.py").write_text('"""The user\'s own."""\n__version__ = "1.0"\n')
    (folder / "pyproject.toml").write_text(_BUILD.format(requires=requires, backend=module) + _METADATA)
    place.add("--editable", folder)


def _with_pip_inside(place: Place) -> None:
    place.run(python_of("3.11"), "-m", "venv", place.venv)
    place.pip(*place.pins("3.11"))


def _tools(place: Place) -> None:
    place.by_uv("--seed")
    place.add("pip==24.3.1", "setuptools==75.6.0", "wheel==0.45.1")


def _old_setuptools(place: Place) -> None:
    """Which brings distutils-precedence.pth, and pkg_resources."""
    place.by_uv()
    place.add("setuptools==59.6.0")


def _ipykernel(place: Place) -> None:
    place.by_uv()
    place.add("ipykernel==6.29.5")


def _compiled(place: Place, *options: str, interpreter: tuple[str, ...] = ()) -> None:
    place.by_uv()
    place.python(*interpreter, "-m", "compileall", "-q", *options, place.venv / "lib")


def _stale_bytecode(place: Place) -> None:
    """Which the interpreter never loads: its source is younger."""
    _compiled(place)
    for source in place.venv.glob("lib/python*/site-packages/tqdm/*.py"):
        os.utime(source, (2_000_000_000, 2_000_000_000))


def _through_a_link(place: Place) -> None:
    place.by_uv()
    (place.folder / "link").symlink_to(place.venv)
    place.target = str(place.folder / "link")


def _moved_behind_a_link(place: Place) -> None:
    """As `.venv` is often a link to a faster disk."""
    (place.folder / "fast disk").mkdir()
    (place.folder / "venv").symlink_to("fast disk", target_is_directory=True)
    uv("venv", "--python", python_of("3.11"), "--allow-existing", place.venv)
    place.fill()


def _at(place: Place, name: str, make: Callable[[Place], object]) -> None:
    place.venv = place.folder / name
    make(place)


def _by_interpreter(place: Place, name: str) -> None:
    place.by_uv()
    place.target = str(place.venv / "bin" / name)


def _read_only(place: Place) -> None:
    place.by_uv()
    place.run("chmod", "-R", "a-w", place.venv)


def _masked(place: Place) -> None:
    before = os.umask(0o077)
    try:
        place.by_uv()
    finally:
        os.umask(before)


def _another_user(place: Place) -> None:
    place.by_uv()
    place.run("chown", "-R", "12345:12345", place.venv)


def _variables(place: Place, **variables: str) -> None:
    place.by_uv()
    place.variables = variables


def _without(place: Place, *names: str) -> None:
    place.by_uv()
    place.without = names
    place.before = ("env",)


def _active(place: Place) -> None:
    place.by_uv()
    place.variables = {"VIRTUAL_ENV": str(place.venv), "PATH": f"{place.venv}/bin:{os.environ['PATH']}"}


def prefix(folder: Path) -> None:
    """Lay out a prefix as conda does: an interpreter of its own, no pyvenv.cfg, and conda-meta."""
    library = folder / f"lib/python{_FEATURE}"
    (library / "site-packages").mkdir(parents=True)
    (folder / "bin").mkdir()
    for source in Path(sysconfig.get_path("stdlib")).iterdir():
        if source.name not in ("site-packages", "dist-packages", "EXTERNALLY-MANAGED"):
            (library / source.name).symlink_to(source)
    for source in Path(sys.base_prefix, "lib").glob("libpython*"):
        (folder / "lib" / source.name).symlink_to(source)
    shutil.copy2(os.path.realpath(sys.executable), folder / "bin" / f"python{_FEATURE}")
    (folder / "bin/python").symlink_to(f"python{_FEATURE}")
    (folder / "conda-meta").mkdir()
    (folder / "conda-meta/history").touch()
    version = ".".join(map(str, sys.version_info[:3]))
    (folder / f"conda-meta/python-{version}-0.json").write_text(
        f'{{"name": "python", "version": "{version}", "build": "0", "files": ["bin/python{_FEATURE}"]}}'
    )


def _conda(place: Place) -> None:
    """Its packages from pip, as most of machine learning's are."""
    prefix(place.venv)
    place.pip(*place.pins(_FEATURE))


def _system_packages(place: Place) -> None:
    """An environment above a Python that has what is locked, and a package more."""
    place.venv, below = place.folder / "venv", place.folder / "below"
    prefix(below)
    uv("pip", "install", "--python", below, "--no-deps", "iniconfig==2.0.0")
    place.by_pip("--system-site-packages", interpreter=str(below / f"bin/python{_FEATURE}"))


def _leftovers(place: Place) -> None:
    """What an interrupted pip leaves, and what file managers do."""
    place.by_uv()
    (site,) = place.venv.glob("lib/python*/site-packages")
    (site / "~qdm").mkdir()
    (site / "~qdm/__init__.py").touch()


def _synced_by(place: Place, tool: str) -> None:
    uv("venv", "--python", python_of("3.11"), place.venv)
    if tool == "uv":
        uv("pip", "sync", "--python", place.venv, "--preview", place.project.lock_path("py311"))
        return
    requirements = place.folder / "requirements.txt"
    requirements.write_text(place.project.ok("export", "py311", "--format", "requirements").out)
    place.pip("--require-hashes", "-r", str(requirements))


def _synced(place: Place) -> None:
    place.project.ok("sync", "py311", "--venv", str(place.venv), "--python", python_of("3.11"))


def _used(place: Place) -> None:
    """Imported and run, which leaves bytecode."""
    place.by_uv()
    place.python("-c", "import tqdm, jmespath, markupsafe")
    place.run(place.venv / "bin/tqdm", "--version")


def _own_layout(place: Place) -> None:
    """What plug-ins of Jupyter put beside the packages."""
    data = "notebook_kernel-1.0.data/data/share/jupyter/kernels/own/kernel.json"
    place.by_uv()
    place.add(make_wheel(place.folder, "notebook_kernel", "1.0", {data: b"{}"}))


def _on_machine(place: Place, name: str, **variables: str) -> None:
    _variables(place, **variables)
    place.machine = replay(name)


RUNNER = {
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "RUNNER_OS": "Linux",
    "RUNNER_ARCH": "X64",
    "GITHUB_WORKSPACE": "/home/runner/churn",
}
_EXTRA = ("package-extra",)


def row(name: str, make: Callable[[Place], object], *, env: str = "py311", notes: tuple[str, ...] = ()) -> Clean:
    """Return a row of the table, written in one line."""
    return Clean(name=name, make=make, env=env, notes=notes)


def env_of(python: str) -> str:
    """Return the environment of the manifest for a Python."""
    return "py" + python.replace(".", "")


ENVIRONMENTS = (
    *(row(f"uv, CPython {v}", partial(Place.by_uv, python=v), env="py" + v.replace('.', ''))
      for v in PYTHONS),
    *(row(f"venv and pip, CPython {v}", partial(Place.by_pip, python=v), env="py" + v.replace('.', ''))
      for v in PYTHONS),
    row("envlock sync", _synced),
    row("uv pip sync of the lock", partial(_synced_by, tool="uv")),
    row("pip install -r of the exported requirements", partial(_synced_by, tool="pip")),
    *(row(f"virtualenv {v}", partial(_virtualenv, release=v))
      for v in ("20.13.0", "20.17.1", "20.26.6", "20.31.2")),
    row("virtualenv that copies", partial(_virtualenv, release="20.26.6", options=("--copies", "--no-seed"))),
    row("venv with its own pip", _with_pip_inside),
    row("venv that copies", lambda place: place.by_pip("--copies")),
    row("venv with --system-site-packages", _system_packages, notes=_EXTRA),
    row("a prefix as conda's, filled by pip", _conda),
    *(row(f"uv --link-mode {mode}", partial(Place.by_uv, install=("--link-mode", mode)))
      for mode in ("copy", "hardlink", "symlink")),
    row("uv --relocatable", lambda place: place.by_uv("--relocatable")),
    row("uv --compile-bytecode", partial(Place.by_uv, install=("--compile-bytecode",))),
    *(row(f"the user's editable project: {backend}", partial(_project, backend=backend))
      for backend in _BACKENDS),
    row("the user's editable project without src: setuptools", partial(_project, backend="setuptools", layout="churn")),
    row("newer pip, setuptools and wheel", _tools),
    row("old setuptools", _old_setuptools),
    row("ipykernel", _ipykernel),
    row("a kernel for Jupyter", _own_layout, notes=_EXTRA),
    row("compiled", _compiled),
    row("compiled by -O", partial(_compiled, interpreter=("-O",))),
    row("compiled by -OO", partial(_compiled, interpreter=("-OO",))),
    row("compiled with unchecked hashes", lambda place: _compiled(place, "--invalidation-mode", "unchecked-hash")),
    row("compiled with checked hashes", lambda place: _compiled(place, "--invalidation-mode", "checked-hash")),
    row("bytecode older than its source", _stale_bytecode),
    row("imported and run", _used),
    row("through a link", _through_a_link),
    row("on another disk behind a link", _moved_behind_a_link),
    row("named by bin/python", partial(_by_interpreter, name="python")),
    row("named by bin/python3", partial(_by_interpreter, name="python3")),
    row("a path with spaces", lambda place: _at(place, "my  venv", Place.by_uv)),
    row("a path with spaces, by pip", lambda place: _at(place, "my  venv", Place.by_pip)),
    row("a path with letters beyond ASCII", lambda place: _at(place, "Umgebung für Größen 環境", Place.by_uv)),
    row("a path too long for a first line", lambda place: _at(place, "x" * 140, Place.by_uv)),
    row("a path too long for a first line, by pip", lambda place: _at(place, "x" * 140, Place.by_pip)),
    row("nothing may be written", _read_only),
    row("made under umask 077", _masked),
    row("another user's", _another_user),
    row("the active environment", _active),
    row("locale C", lambda place: _variables(place, LC_ALL="C", PYTHONUTF8="0")),
    row("no HOME", lambda place: _without(place, "HOME")),
    row("a plain shell, no thread variables", lambda place: _variables(place)),
    row("GitHub's runner", lambda place: _variables(place, **RUNNER)),
    row("what an interrupted pip leaves", _leftovers),
    row("a lock for an A100 and 8 threads: on an A100", lambda place: _on_machine(place, "a100"), env="gpu"),
    row("a lock for an A100 and 8 threads: on a laptop", lambda place: _on_machine(place, "ryzen-laptop"), env="gpu",
        notes=("hardware-class",)),
    row("a lock for an A100 and 8 threads: on GitHub's runner, 4 CPUs",
        lambda place: _on_machine(place, "k10", **RUNNER),
        env="gpu", notes=("hardware-class",)),
    row("a lock for an A100 and 8 threads: in a container", lambda place: _on_machine(place, "container"), env="gpu",
        notes=("hardware-class",)),
)  # fmt: skip
