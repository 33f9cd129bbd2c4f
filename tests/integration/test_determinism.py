"""One manifest, one lock, one image: whoever makes them, wherever, with whatever settings."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.integration.project import Project

pytestmark = pytest.mark.network

ROOT = Path(__file__).parents[2]
MANIFEST = """\
[env.small]
python = "3.11"
dependencies = ["pyyaml==6.0.2", "docopt==0.6.2", "click<8.2"]
as-of = "2025-01-01"
platforms = ["linux/arm64", "linux/amd64"]
hardware = ["lab", "laptop"]

[env.small.image]
base = "debian-bookworm-python3.11"
os-packages = ["libsndfile1", "libgomp1"]

[hardware.lab]
cpu-level = ">=x86-64-v3"
memory-gib = ">=64"

[hardware.laptop]
accelerator = { kind = "none" }
"""
"""With what a lock may hold: a package that has no wheel, two platforms, OS packages, classes of hardware, a date."""
OTHER_ORDER = """\
[hardware.laptop.accelerator]
kind = "none"

[hardware.lab]
memory-gib = ">=64"
cpu-level = ">=x86-64-v3"

[env.small]
image = { os-packages = ["libgomp1", "libsndfile1"], base = "debian-bookworm-python3.11" }
hardware = ["laptop", "lab"]
platforms = ["linux/amd64", "linux/arm64"]
as-of = 2025-01-01
dependencies = ["click < 8.2", "docopt == 0.6.2", "PyYAML == 6.0.2"]
python = "3.11"
"""
AWAY = {
    "TZ": "Pacific/Kiritimati",
    "LC_ALL": "tr_TR.UTF-8",
    "USER": "somebody",
    "PYTHONHASHSEED": "7",
    "SOURCE_DATE_EPOCH": "1",
    "CFLAGS": "-O0",
    "UV_RESOLUTION": "lowest",
    "UV_EXCLUDE_NEWER": "2024-01-01",
}
"""What a machine may be set up with."""


@pytest.fixture(scope="module")
def locked(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with the whole manifest, locked."""
    project = Project(tmp_path_factory.mktemp("locked"), MANIFEST, cache=built.cache)
    project.ok("lock")
    return project


@pytest.fixture(scope="module")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A CPython 3.13 with envlock's dependencies."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [str(path) for path in sorted(pyenv.glob("3.13.*/bin/python3.13"))] + ["python3.13"]
    python = next((path for path in found if runs(path)), None)
    if python is None:
        pytest.skip("no CPython 3.13 on this machine")
    return interpreter(tmp_path_factory.mktemp("python") / "venv", python)


def lock_of(project: Project, *command: str, environment: dict[str, str] | None = None) -> str:
    """Lock from nothing and return the text, for a difference to be shown."""
    done = project.run_command(*command, "-m", "envlock", "lock", environment=environment)
    assert done.code == 0, done.err
    return project.lock_path().read_text("utf-8")


def test_lock_knows_nothing_of_the_machine(locked: Project, other_python: str, tmp_path: Path) -> None:
    """Time zone, locale, home, user, host name, umask, hash seed, one CPU, another CPython, tools' settings and the
    order of the manifest do not reach the lock.
    """
    project = Project(tmp_path / "a folder ü", OTHER_ORDER, cache=locked.cache)
    (project.folder / "uv.toml").write_text('resolution = "lowest"\nprerelease = "allow"\n', "utf-8")
    shell = f'hostname elsewhere; umask 077; exec taskset -c 0 {other_python} "$@"'
    command = ["unshare", "--map-root-user", "--uts", "sh", "-c", shell, "sh"]
    found = lock_of(project, *command, environment=AWAY | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT / "src")})
    assert found == locked.lock_path().read_text("utf-8")
    assert stat.S_IMODE(project.lock_path().stat().st_mode) == 0o644


def elsewhere(built: Project, folder: Path) -> Project:
    """Return another checkout of the same lock, with a cache that holds artifacts only."""
    project = Project(folder / "somewhere" / "else", cache=folder / "cache")
    project.lock_path().parent.mkdir()
    shutil.copy(built.lock_path(), project.lock_path())
    assert built.cache is not None
    shutil.copytree(built.cache / "files", folder / "cache" / "files")
    return project


def index_of(project: Project, *command: str, environment: dict[str, str] | None = None) -> str:
    """Build and return the index digest."""
    done = project.run_command(*command, "-m", "envlock", "build", "--json", environment=environment)
    assert done.code == 0, done.err
    return str(done.json["images"][0]["index"])


def test_rebuild_agrees_with_the_sums(built: Project) -> None:
    """--rebuild trusts no cache, and comes to what envlock.sum says."""
    before = (built.folder / "lockfiles" / "envlock.sum").read_bytes()
    assert built.run("build", "--rebuild").code == 0
    assert (built.folder / "lockfiles" / "envlock.sum").read_bytes() == before


def test_contradicted_sums(built: Project, tmp_path: Path) -> None:
    """A layer that comes out other than envlock.sum says is exit 4."""
    project = elsewhere(built, tmp_path)
    sums = (built.folder / "lockfiles" / "envlock.sum").read_text()
    key, digest = next(line.split()[1:3] for line in sums.splitlines() if line.startswith("layer"))
    altered = sums.replace(digest, "sha256:" + "0" * 64)
    (project.folder / "lockfiles" / "envlock.sum").write_text(altered)
    done = project.run("build")
    assert done.code == 4
    assert "[sums-mismatch]" in done.err
    assert key


def test_altered_root_is_unpacked_again(built: Project, tmp_path: Path) -> None:
    """The interpreter that compiles is checked before it is used: what was done to it reaches no layer."""
    project = elsewhere(built, tmp_path)
    expected = index_of(built, sys.executable)
    assert built.cache is not None
    project.cache = built.cache  # roots are known by their inodes, so that this one cannot be a copy's
    for encodings in (built.cache / "roots").glob("*/usr/lib/python3.11/encodings/__init__.py"):
        encodings.write_bytes(encodings.read_bytes() + b"\nimport builtins\nbuiltins.evil = True\n")
    made = ("layers", "bytecode")
    for name in made:
        (built.cache / name).rename(tmp_path / name)
    try:
        assert index_of(project, sys.executable) == expected
    finally:
        for name in made:
            shutil.rmtree(built.cache / name, ignore_errors=True)
            (tmp_path / name).rename(built.cache / name)
    # Of several roots, such as one with build packages, the build uses one, and unpacks that one again.
    roots = (built.cache / "roots").glob("*/usr/lib/python3.11/encodings/__init__.py")
    assert any(b"evil" not in encodings.read_bytes() for encodings in roots)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_unprivileged_user(built: Project) -> None:
    """A user without any privilege builds the same image as root."""
    folder = Path(subprocess.check_output(["mktemp", "-d", "/tmp/envlock-user.XXXXXX"], text=True).strip())
    try:
        project = elsewhere(built, folder)
        python = interpreter(
            folder / "venv", "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
        )
        shutil.copytree(ROOT / "src", folder / "src")
        shutil.copytree(ROOT / "images", folder / "images")
        subprocess.run(["chown", "-R", "65534:65534", folder], check=True)
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", python]
        settings = {"HOME": str(folder / "home"), "PYTHONPATH": str(folder / "src")}
        assert index_of(project, *command, environment=settings) == index_of(built, sys.executable)
    finally:
        subprocess.run(["rm", "-rf", folder], check=True)


def test_another_python(built: Project, other_python: str, tmp_path: Path) -> None:
    """CPython 3.13 builds the same image as the interpreter of this test."""
    project = elsewhere(built, tmp_path)
    settings = {"PYTHONPATH": str(ROOT / "src"), "LANG": "tr_TR.UTF-8"}
    assert index_of(project, other_python, environment=settings) == index_of(built, sys.executable)


def runs(python: str) -> bool:
    """Tell whether an interpreter is there and is no shim of an inactive version."""
    try:
        return subprocess.run([python, "-I", "-c", ""], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def interpreter(venv: Path, python: str) -> str:
    """Return the python of a new environment that holds envlock's dependencies."""
    import tomllib

    needed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    uv = find_uv_bin()
    clean = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"} | {"UV_LINK_MODE": "copy", "UV_NO_CONFIG": "1"}
    subprocess.run([uv, "venv", "--quiet", "--python", python, venv], check=True, env=clean)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", venv, *needed], check=True, env=clean)
    return str(venv / "bin" / "python")
