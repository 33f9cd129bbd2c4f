"""One lock, one image: built again and again, each time on what looks like another machine.

ENVLOCK_TEST_BUILDS says how often; from 5 on with another user and other CPythons too.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.integration.project import Project
from tests.integration.test_determinism import ROOT, interpreter, runs
from tests.integration.test_registry import registry, required  # noqa: F401

pytestmark = pytest.mark.network

BUILDS = int(os.environ.get("ENVLOCK_TEST_BUILDS", "2"))
MANIFEST = """\
[env.small]
python = "3.11"
dependencies = ["click==8.1.7", "markupsafe==2.1.5", "six==1.16.0"]
as-of = "2025-01-01"
platforms = ["linux/amd64", "linux/arm64"]

[env.small.image]
base = "{base}"
"""
RECIPE = "debian-bookworm-python3.11"

ZONES = ("UTC", "Pacific/Kiritimati", "America/St_Johns")
LOCALES = ("C", "C.UTF-8", "tr_TR.UTF-8", "")
UMASKS = ("022", "077", "000", "027")
SEEDS = ("0", "7", "random")
JOBS = ("1", "2", "3", "4")
CACHES = ("cold", "half", "warm", "rebuild")
PROCESSORS = (None, "0", "1")


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What one build meets."""

    number: int
    zone: str
    locale: str
    umask: str
    seed: str
    jobs: str
    cache: str
    processor: str | None
    python: str
    host: str | None
    nobody: bool


def conditions(pythons: list[str]) -> Iterator[Conditions]:
    """Yield as many as there are builds to be, no two alike."""
    may_rename = may("unshare", "--map-root-user", "--uts", "true")
    for number in range(BUILDS):
        nobody = number % 5 == 4 and os.geteuid() == 0
        yield Conditions(
            number=number,
            zone=ZONES[number % len(ZONES)],
            locale=LOCALES[number % len(LOCALES)],
            umask=UMASKS[(number + number // 4) % len(UMASKS)],
            seed=SEEDS[number // 2 % len(SEEDS)],
            jobs=JOBS[(3 * number + number // 4) % len(JOBS)],
            cache=CACHES[number % len(CACHES)],
            processor=PROCESSORS[number % len(PROCESSORS)],
            python=pythons[-1] if nobody else pythons[number % (len(pythons) - 1 or 1)],
            host=f"machine-{number}" if may_rename and number % 2 and not nobody else None,
            nobody=nobody,
        )


def may(*command: str) -> bool:
    """Tell whether a command can be run here."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def pythons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Interpreters to build with, the last one such that every user can run it."""
    found = [sys.executable]
    if BUILDS < 5:
        yield found
        return
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in ("3.12", "3.13"):
        python = next((str(path) for path in sorted(pyenv.glob(f"{minor}.*/bin/python3"))), None)
        if python is not None and runs(python):
            found.append(interpreter(tmp_path_factory.mktemp("python") / "venv", python))
    public = Path(tempfile.mkdtemp(prefix="envlock-python."))
    public.chmod(0o755)
    try:
        yield [*found, interpreter(public / "venv", "/usr/bin/python3")]
    finally:
        shutil.rmtree(public)


@pytest.fixture(scope="module")
def on_packages(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of two platforms on a recipe, built once."""
    return made(tmp_path_factory.mktemp("recipe"), RECIPE, built)


@pytest.fixture(scope="module")
def on_an_image(
    built: Project,
    on_packages: Project,
    registry: str,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Project:
    """A project of two platforms on an image of a registry, built once."""
    reference = f"{registry}/team/base:1"
    layout = on_packages.folder / ".envlock/images/small"
    index = json.loads((layout / "index.json").read_bytes())
    tag = index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"]
    command = [required("skopeo"), "copy", "--all", "--preserve-digests", "--quiet", "--dest-tls-verify=false"]
    subprocess.run([*command, f"oci:{layout}:{tag}", f"docker://{reference}"], check=True)
    return made(tmp_path_factory.mktemp("registry"), reference, built)


def made(folder: Path, base: str, built: Project) -> Project:
    """Lock and build a project, with the cache of another one."""
    project = Project(folder, MANIFEST.format(base=base), cache=built.cache)
    project.ok("lock")
    project.ok("build")
    return project


@pytest.mark.parametrize("kind", ["on_packages", "on_an_image"])
def test_one_digest(kind: str, pythons: list[str], request: pytest.FixtureRequest) -> None:
    """Time zone, locale, umask, home, user, folder, jobs, hash seed, processors, what the cache holds and in which
    order, CPython and host name reach no image, of neither platform, whatever the base.
    """
    project: Project = request.getfixturevalue(kind)
    expected = names_of(project.ok("build", "--json").json)
    assert set(expected) == {"index", "linux/amd64", "linux/arm64"}
    found = {each: build(project, each) for each in conditions(pythons)}
    different = {each: names for each, names in found.items() if names != expected}
    assert not different
    assert len(found) == BUILDS


def names_of(answer: object) -> dict[str, str]:
    """Return the digests of the index and of each platform's manifest."""
    [image] = answer["images"]  # type: ignore[index]
    return {"index": image["index"]} | {name: one["manifest"] for name, one in image["platforms"].items()}


def build(project: Project, each: Conditions) -> dict[str, str]:
    """Build a checkout of the lock, with no envlock.sum to vouch for anything."""
    scratch = Path(tempfile.mkdtemp(prefix="envlock-elsewhere."))
    try:
        checkout = Project(scratch / f"checkout {each.number} ü", None, cache=scratch / "cache")
        for name in ("envlock.toml", "lockfiles/pylock.small.toml"):
            (checkout.folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(project.folder / name, checkout.folder / name)
        assert project.cache is not None
        copy_cache(project.cache, scratch / "cache", each)
        for name in ("src", "images"):
            shutil.copytree(ROOT / name, scratch / name)
        (scratch / "home").mkdir()
        command = [*wrapped(each, scratch), "-m", "envlock", "build", "--json", "--jobs", each.jobs]
        if each.cache == "rebuild":
            command.append("--rebuild")
        settings = {
            "HOME": str(scratch / "home"),
            "TZ": each.zone,
            "LC_ALL": each.locale,
            "PYTHONHASHSEED": each.seed,
            "PYTHONPATH": str(scratch / "src"),
            "XDG_CACHE_HOME": str(scratch / "home"),
        }
        done = checkout.run_command(*command, environment=settings)
        assert done.code == 0, f"{each}\n{done.err}"
        return names_of(done.json)
    finally:
        subprocess.run(["rm", "-rf", scratch], check=True)


def wrapped(each: Conditions, scratch: Path) -> list[str]:
    """Return the command that starts the interpreter as another user, host or on one processor."""
    script = f'umask {each.umask}; exec "$@"'
    command = ["sh", "-c", script, "sh", each.python]
    if each.processor is not None and may("taskset", "-c", each.processor, "true"):
        command = ["taskset", "-c", each.processor, *command]
    if each.host is not None:
        named = f'hostname {each.host}; exec "$@"'
        command = ["unshare", "--map-root-user", "--uts", "sh", "-c", named, "sh", *command]
    if each.nobody:
        scratch.chmod(0o755)
        subprocess.run(["chown", "-R", "65534:65534", scratch], check=True)
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command]
    return command


def copy_cache(source: Path, destination: Path, each: Conditions) -> None:
    """Copy artifacts, and of the layers none, every other one or all, in an order of their own."""
    shuffled = random.Random(each.number)

    def copy(names: list[Path]) -> None:
        shuffled.shuffle(names)
        for path in names:
            shutil.copytree(path, destination / path.relative_to(source))

    copy(sorted(path for path in (source / "files").iterdir() if path.is_dir()))
    layers = sorted(path for path in (source / "layers").iterdir() if path.is_dir())
    kept: dict[str, Callable[[], list[Path]]] = {
        "cold": list,
        "half": lambda: list(itertools.islice(layers, each.number % 2, None, 2)),
        "warm": lambda: layers,
        "rebuild": lambda: layers,
    }
    copy(kept[each.cache]())
