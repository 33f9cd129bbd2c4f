"""`envlock lock --from-venv` on environments that pip, uv and a tool like conda really made, then `sync` elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from uv import find_uv_bin

from tests.integration.project import Project
from tests.unit.wheels import record_line

pytestmark = pytest.mark.network

PINS = ("flask==2.3.3", "markupsafe==2.1.5", "pyyaml==6.0.2")
INSTALLED = {"blinker", "click", "flask", "itsdangerous", "jinja2", "markupsafe", "pyyaml", "werkzeug"}
BASE = Path(os.path.realpath(sys.executable))
FEATURE = f"{sys.version_info.major}.{sys.version_info.minor}"


def run(*command: str | Path) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("UV_", "VIRTUAL_ENV", "PYTHON"))}
    kept.pop("PIP_FIND_LINKS", None)
    done = subprocess.run([str(part) for part in command], env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def by_pip(folder: Path, *pins: str) -> None:
    run(BASE, "-m", "venv", "--without-pip", folder)
    run(*pip_of(folder), *pins)


def pip_of(folder: Path) -> tuple[str | Path, ...]:
    """Return pip's `install` into an environment, from outside, which spares each one a pip of its own."""
    uv = (find_uv_bin(), "tool", "run", "--quiet", "--no-config", "--python", BASE, "--from", "pip==24.3.1")
    return (*uv, "pip", "--python", folder, "install", "--quiet")


def by_uv(folder: Path, *pins: str) -> None:
    run(find_uv_bin(), "venv", "--quiet", "--no-config", "--python", BASE, folder)
    run(find_uv_bin(), "pip", "install", "--quiet", "--no-config", "--python", folder, *pins)


def by_conda(folder: Path, *pins: str) -> None:
    """Lay out a prefix as conda does: an interpreter of its own, no pyvenv.cfg, and conda-meta for what it linked."""
    library = folder / f"lib/python{FEATURE}"
    (library / "site-packages").mkdir(parents=True)
    (folder / "bin").mkdir()
    for source in Path(sysconfig.get_path("stdlib")).iterdir():
        if source.name not in ("site-packages", "dist-packages", "EXTERNALLY-MANAGED"):
            (library / source.name).symlink_to(source)
    for source in Path(sys.base_prefix, "lib").glob("libpython*"):
        (folder / "lib" / source.name).symlink_to(source)
    shutil.copy2(BASE, folder / "bin" / f"python{FEATURE}")
    (folder / "bin/python").symlink_to(f"python{FEATURE}")
    run(*pip_of(folder), *pins)
    meta = folder / "conda-meta"
    meta.mkdir()
    for info in (library / "site-packages").glob("*.dist-info"):
        name, _, version = info.name.removesuffix(".dist-info").partition("-")
        origin = '{"dir_info": {}, "url": "file:///home/conda/feedstock_root/build"}'
        rows = (info / "RECORD").read_text().splitlines(keepends=True)
        rows = [row for row in rows if not row.startswith(f"{info.name}/INSTALLER,")]
        for note, text in (("INSTALLER", "conda"), ("direct_url.json", origin)):
            (info / note).write_text(text)
            rows.append(record_line(f"{info.name}/{note}", text.encode()))
        (info / "RECORD").write_text("".join(rows))
        files = [str(path.relative_to(folder)) for path in sorted(info.iterdir())]
        record(meta, name, version, files)
    record(meta, "python", ".".join(map(str, sys.version_info[:3])), [f"bin/python{FEATURE}"])
    record(meta, "openssl", "3.3.1", ["lib/libssl.so.3"])


def record(meta: Path, name: str, version: str, files: list[str]) -> None:
    row = {"name": name, "version": version, "build": "py_0", "channel": "somewhere", "files": files}
    (meta / f"{name}-{version}-py_0.json").write_text(json.dumps(row))


def elsewhere(project: Project, folder: Path) -> Project:
    """Clone what git would carry, onto a machine with an empty cache."""
    other = Project(folder / "elsewhere", None, cache=folder / "another cache")
    shutil.copy2(project.folder / "envlock.toml", other.folder)
    shutil.copytree(project.folder / "lockfiles", other.folder / "lockfiles")
    return other


def locked(project: Project) -> dict[str, str]:
    (path,) = (project.folder / "lockfiles").glob("pylock.*.toml")
    return {row["name"]: row["version"] for row in tomllib.loads(path.read_text("utf-8"))["packages"]}


@pytest.mark.parametrize("make", [by_pip, by_uv, by_conda])
def test_synced_elsewhere_it_matches(make: Callable[..., None], tmp_path: Path) -> None:
    """Exactly what is installed is locked, tools apart; another machine syncs and verifies it, byte for byte."""
    project = Project(tmp_path / "project", None, cache=tmp_path / "cache")
    make(project.folder / "own", *PINS)
    said = project.ok("lock", "--from-venv", "own")
    assert locked(project).keys() == INSTALLED
    assert dict(pin.split("==") for pin in PINS).items() <= locked(project).items()
    assert ("openssl 3.3.1" in said.err) is (make is by_conda)
    assert "other builds" not in said.err
    other = elsewhere(project, tmp_path)
    assert other.ok("--offline", "lock", "--check").code == 0
    other.ok("sync")
    result = other.run("verify", "--full", "--json")
    assert result.code == 0
    assert {finding["rule"] for finding in result.json["findings"]} <= {"python-patch"}
    if make is not by_conda:  # verify reports the folder that conda's packages say they come from
        origin = project.run("verify", "--full", "--python", "own")
        assert origin.code == 0, origin.out


def test_set_that_contradicts_itself(tmp_path: Path) -> None:
    """What pip would complain of is locked as it is, and relocking keeps it so."""
    project = Project(tmp_path / "project", None, cache=tmp_path / "cache")
    by_uv(project.folder / "own", *PINS)
    uv = find_uv_bin()
    run(uv, "pip", "uninstall", "--quiet", "--python", project.folder / "own", "blinker")
    run(uv, "pip", "install", "--quiet", "--python", project.folder / "own", "--no-deps", "werkzeug==2.0.0")
    project.ok("lock", "--from-venv", "own")
    assert locked(project).keys() == INSTALLED - {"blinker"}
    assert locked(project)["werkzeug"] == "2.0.0"
    before = (project.folder / "lockfiles/pylock.main.toml").read_bytes()
    project.ok("lock")
    assert (project.folder / "lockfiles/pylock.main.toml").read_bytes() == before
    other = elsewhere(project, tmp_path)
    other.ok("sync")
    assert other.run("verify", "--full").code == 0


def test_editable_and_unknown_packages_are_named(tmp_path: Path) -> None:
    """The project itself and a private package are left out, and said."""
    project = Project(tmp_path / "project", None, cache=tmp_path / "cache")
    (project.folder / "pyproject.toml").write_text(
        '[project]\nname = "my-own"\nversion = "1.0"\ndependencies = ["click"]\n'
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        "[tool.hatch.build.targets.wheel]\nbypass-selection = true\n"
    )
    by_uv(project.folder / "own", "click==8.1.7")
    run(find_uv_bin(), "pip", "install", "--quiet", "--python", project.folder / "own", "-e", project.folder)
    private = project.folder / f"own/lib/python{FEATURE}/site-packages/envlock_test_private-7.0.dist-info"
    private.mkdir()
    (private / "METADATA").write_text("Metadata-Version: 2.1\nName: envlock-test-private\nVersion: 7.0\n")
    (private / "RECORD").write_text("")
    said = project.ok("lock", "--from-venv", "own")
    assert locked(project) == {"click": "8.1.7"}
    assert "my-own 1.0 is an editable install" in said.err
    assert "envlock-test-private 7.0 has no file on the index" in said.err
