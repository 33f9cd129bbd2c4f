"""Bytecode by the interpreters of real roots: the same bytes whatever the machine does meanwhile."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from envlock.adapters.bytecode import RootCompiler
from envlock.adapters.sandbox import NamespaceSandbox
from envlock.formats.pylock import read_lock
from envlock.locking.base import resolve_base
from envlock.model.edges import Process
from envlock.model.platform import Platform
from envlock.model.recipe import load_recipe, packaged_recipe_folders
from envlock.operations.fetch import fetch_debs
from envlock.operations.roots import layered_root, unpacked_root
from tests.integration.project import Project
from tests.integration.roots import edges, root_of
from tests.integration.test_registry import registry, required  # noqa: F401

pytestmark = pytest.mark.network

INTERPRETERS = {
    "debian-bullseye-python3.9": "/usr/bin/python3.9",
    "debian-bookworm-python3.11": "/usr/bin/python3.11",
    "debian-trixie-python3.13": "/usr/bin/python3.13",
}
BULLSEYE = "debian-bullseye-python3.9"


def standard_library(root: Path, interpreter: str) -> list[tuple[str, bytes]]:
    """The modules of an interpreter's standard library, sorted."""
    folder = root / "usr/lib" / Path(interpreter).name
    paths = sorted(path for path in folder.rglob("*.py") if path.is_file() and not path.is_symlink())
    return [(f"/{path.relative_to(root)}", path.read_bytes()) for path in paths]


def digest(root: Path, interpreter: str, sources: list[tuple[str, bytes]]) -> str:
    """sha256 over all that is compiled."""
    total = hashlib.sha256()
    with RootCompiler(NamespaceSandbox(), root, interpreter) as compiler:
        for path, pyc in compiler.compile(sources):
            total.update(path.encode() + b"\0" + pyc)
    return total.hexdigest()


@pytest.mark.parametrize("recipe", INTERPRETERS)
def test_two_compilers_at_once_and_another_order(recipe: str) -> None:
    """Concurrency changes nothing, and no module depends on those compiled before it."""
    root, interpreter = root_of(recipe), INTERPRETERS[recipe]
    sources = standard_library(root, interpreter)
    assert len(sources) > 400
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: digest(root, interpreter, sources), range(2))
    assert first == second
    with RootCompiler(NamespaceSandbox(), root, interpreter) as compiler:
        forwards = dict(compiler.compile(sources))
        assert dict(compiler.compile(reversed(sources))) == forwards
    assert len(forwards) == len(sources)


SCRIPT = """
import sys
from pathlib import Path
from tests.integration.test_bytecode import digest, standard_library
root = Path(sys.argv[1])
print(digest(root, sys.argv[2], standard_library(root, sys.argv[2])))
"""


def test_another_user_and_environment(tmp_path: Path) -> None:
    """Environment, umask, stack limit, processors, and user do not reach a .pyc."""
    root, interpreter = root_of(BULLSEYE), INTERPRETERS[BULLSEYE]
    expected = digest(root, interpreter, standard_library(root, interpreter))
    away = {
        "TZ": "Pacific/Kiritimati",
        "LC_ALL": "C",
        "PYTHONHASHSEED": "7",
        "HOME": "/nowhere",
        "PYTHONMALLOC": "malloc",
    }
    environment = away | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", SCRIPT, str(root), interpreter]
    limits = 'umask 077; ulimit -s unlimited 2>/dev/null || ulimit -s 4096; exec "$@"'
    prefix = ["taskset", "1"] if shutil.which("taskset") else []
    said = subprocess.run(
        ["sh", "-c", limits, "sh", *prefix, *command], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == expected
    # As a user who has nothing, in a user namespace of their own, nested.
    nested = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if subprocess.run([*nested, "true"], capture_output=True, check=False).returncode == 0:
        said = subprocess.run([*nested, *command], env=environment, capture_output=True, text=True, check=True)
        assert said.stdout.strip() == expected


def test_whether_the_root_has_bytecode_does_not_matter(tmp_path: Path) -> None:
    """The interpreter starts from sources or from its own .pyc files with the same result."""
    root, interpreter = root_of(BULLSEYE), INTERPRETERS[BULLSEYE]
    sources = standard_library(root, interpreter)[:200]
    other = tmp_path / "root"
    shutil.copytree(root, other, symlinks=True, ignore=_unreadable)
    with RootCompiler(NamespaceSandbox(), root, interpreter) as compiler:
        compiled = list(compiler.compile(standard_library(root, interpreter)))
    for path, pyc in compiled:
        target = other / path.lstrip("/")
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(pyc)
    assert digest(other, interpreter, sources) == digest(root, interpreter, sources)


def _unreadable(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if not os.access(Path(folder, name), os.R_OK, follow_symlinks=False)]


def test_interpreter_uses_what_was_compiled(tmp_path: Path) -> None:
    """A module whose source is gone from sight of the hash check is loaded from its .pyc."""
    root, interpreter = root_of(BULLSEYE), INTERPRETERS[BULLSEYE]
    with RootCompiler(NamespaceSandbox(), root, interpreter) as compiler:
        [(path, pyc)] = compiler.compile([("/modules/demo.py", b"said = 'pyc'\n")])
    assert path == "/modules/__pycache__/demo.cpython-39.pyc"
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "demo.py").write_bytes(b"said = 'source'\n")
    (tmp_path / "__pycache__" / "demo.cpython-39.pyc").write_bytes(pyc)
    process = NamespaceSandbox().start(
        root,
        [interpreter, "-c", "import demo; print(demo.said, demo.__cached__)"],
        environment={"PYTHONPATH": "/modules"},
        binds={"/modules": tmp_path},
    )
    assert isinstance(process, subprocess.Popen)
    assert process.communicate() == (b"pyc /modules/__pycache__/demo.cpython-39.pyc\n", b"")


SETS = b"""
def f(x):
    return x in {None, "imagenet"}, x in {..., "a", None, (None, 1)}, x in {"b", "a"}
"""


class Emulated:
    """The sandbox, with every command run by qemu."""

    def __init__(self, emulator: str) -> None:
        self._emulator = Path(emulator)

    def start(
        self,
        root: Path,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        binds: Mapping[str, Path] | None = None,
    ) -> Process:
        command = [f"/emulator/{self._emulator.name}", *argv]
        places = {**(binds or {}), "/emulator": self._emulator.parent}
        return NamespaceSandbox().start(root, command, environment=environment, binds=places)


@pytest.mark.parametrize("recipe", ["debian-bookworm-python3.11", "debian-trixie-python3.13"])
def test_arm64_compiles_to_the_same_bytes(recipe: str) -> None:
    """Bytecode does not depend on the processor: the same sources by the arm64 interpreter of the same version."""
    emulator = shutil.which("qemu-aarch64-static")
    if emulator is None:
        pytest.skip("qemu-aarch64-static is not installed: apt-get install qemu-user-static")
    at, platform, interpreter = edges(), Platform("linux", "arm64"), INTERPRETERS[recipe]
    base = resolve_base(
        load_recipe(recipe, packaged_recipe_folders()),
        [platform],
        at.archives,
        lambda deb, archives: fetch_debs([deb], archives=archives, artifacts=at.artifacts, progress=at.progress)[
            deb.sha256
        ],
        now=at.now,
        with_build_packages=False,
        progress=at.progress,
    )
    sources = [*standard_library(root_of(recipe), interpreter)[::20], ("/sets.py", SETS)]
    with RootCompiler(NamespaceSandbox(), root_of(recipe), interpreter) as compiler:
        here = dict(compiler.compile(sources))
    with RootCompiler(Emulated(emulator), unpacked_root(base, platform, at, build=False), interpreter) as compiler:
        there = dict(compiler.compile(sources))
    assert len(here) > 25
    assert here == there


def test_sets_do_not_depend_on_addresses() -> None:
    """Python 3.9 writes a set with None in the order of addresses; ours is sorted."""
    root, interpreter = root_of(BULLSEYE), INTERPRETERS[BULLSEYE]
    with RootCompiler(NamespaceSandbox(), root, interpreter) as compiler:
        [(_, pyc)] = compiler.compile([("/sets.py", SETS)])
    first = pyc[pyc.index(b"\2\0\0\0\xda\x08imagenet") :]
    assert first[14:15] == b"N"


def test_interpreter_of_a_registry_base(built: Project, registry: str, tmp_path: Path) -> None:  # noqa: F811
    """Unpacked from its layers it compiles what the same one compiles in the root of its packages."""
    layout = built.folder / ".envlock/images/small"
    tag = json.loads((layout / "index.json").read_bytes())["manifests"][0]["annotations"][
        "org.opencontainers.image.ref.name"
    ]
    reference = f"{registry}/team/python:3.11"
    command = [required("skopeo"), "copy", "--all", "--preserve-digests", "--quiet", "--dest-tls-verify=false"]
    subprocess.run([*command, f"oci:{layout}:{tag}", f"docker://{reference}"], check=True)
    manifest = (built.folder / "envlock.toml").read_text("utf-8").replace("debian-bookworm-python3.11", reference)
    top = Project(tmp_path / "top", manifest, cache=built.cache)
    top.ok("lock")
    lock = read_lock(top.lock_path()).lock
    assert lock.base is not None
    recipe, interpreter = "debian-bookworm-python3.11", INTERPRETERS["debian-bookworm-python3.11"]
    sources = standard_library(root_of(recipe), interpreter)
    root = layered_root(lock, Platform("linux", "amd64"), edges())
    assert digest(root, lock.base.interpreter, sources) == digest(root_of(recipe), interpreter, sources)
