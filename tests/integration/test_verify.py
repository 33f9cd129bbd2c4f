"""`envlock verify` of environments that uv really made: every file of a package, one flipped byte at a time."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.integration.bench import Seen, clean_variables, invoke
from tests.integration.project import Project, Result
from tests.unit.wheels import record_line

pytestmark = pytest.mark.network

MANIFEST = """\
[env.small]
python = "3.11"
dependencies = ["jmespath==0.10.0", "tqdm==4.64.0", "markupsafe==2.1.5"]
as-of = "2025-01-01"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A locked and synced project: a rewritten script (jmespath), a launcher (tqdm), an extension (markupsafe)."""
    project = Project(tmp_path_factory.mktemp("project"), MANIFEST, cache=tmp_path_factory.mktemp("cache"))
    project.ok("lock")
    project.ok("sync")
    return project


@pytest.fixture
def venv(project: Project) -> Path:
    (found,) = project.folder.glob(".venv*")
    return found


def verify(project: Project, *options: str) -> Result:
    return project.run("verify", "small", "--json", *options)


def here(project: Project, *options: str) -> Seen:
    """Verify in this process, which is ten times as fast: for what is asked a hundred times."""
    cache = {"ENVLOCK_CACHE_DIR": str(project.cache)}
    return invoke("small", *options, folder=project.folder, variables=clean_variables() | cache)


def test_synced_environment_matches(project: Project) -> None:
    """What sync installs is what the lock says, to the byte."""
    assert verify(project).code == 0
    result = verify(project, "--full")
    assert (result.code, result.json["findings"]) == (0, [])
    assert result.json["summary"]["files"] > 60


@pytest.mark.parametrize("rewritten", [False, True], ids=["RECORD kept", "RECORD rewritten"])
@pytest.mark.parametrize("package", ["jmespath", "tqdm", "markupsafe"])
def test_one_flipped_byte_in_every_file(project: Project, venv: Path, package: str, rewritten: bool) -> None:
    """Exit code 4 with file and package, for each class of file: modules, extensions, metadata, scripts, launchers."""
    (site,) = venv.glob("lib/python*/site-packages")
    (record,) = (path for path in site.glob("*.dist-info/RECORD") if path.parent.name.lower().startswith(package))
    listed = [(site / line.split(",")[0]).resolve() for line in record.read_text().splitlines()]
    chosen = [path for path in listed if path.suffix != ".py" or path.parent == venv / "bin"]
    chosen += [path for path in listed if path not in chosen][:6]
    random_byte = random.Random(7)
    for path in chosen:
        original, kept = path.read_bytes(), record.read_bytes()
        if not original or (rewritten and path.name == "RECORD"):
            continue  # REQUESTED is empty
        data = bytearray(original)
        data[random_byte.randrange(len(data))] ^= 1 << random_byte.randrange(8)
        path.write_bytes(bytes(data))
        if rewritten:
            relative = os.path.relpath(path, site)
            lines = record.read_text().splitlines(keepends=True)
            new = [record_line(relative, bytes(data)) if x.startswith(f"{relative},") else x for x in lines]
            record.write_text("".join(new))
        try:
            seen = here(project, "--full")
            assert seen.code == 4, path
            findings = [finding for finding in seen.findings if finding["nature"] == "integrity"]
            assert {finding["package"] for finding in findings} == {package}
            assert str(path.relative_to(venv.resolve())) in {finding["path"] for finding in findings}
        finally:
            path.write_bytes(original)
            record.write_bytes(kept)
    assert verify(project, "--full").code == 0


def test_bytecode_is_compared_with_its_source(project: Project, venv: Path) -> None:
    """Bytecode that the venv's Python made matches; one changed name in it does not."""
    (site,) = venv.glob("lib/python*/site-packages")
    subprocess.run([venv / "bin/python", "-m", "compileall", "-q", site / "tqdm"], check=True)
    try:
        assert verify(project, "--full").code == 0
        (cache,) = site.glob("tqdm/__pycache__/utils.*.pyc")
        data = cache.read_bytes()
        cache.write_bytes(data.replace(b"FormatReplace", b"FormatReplacf"))
        result = verify(project, "--full")
        assert result.code == 4
        assert [finding["rule"] for finding in result.json["findings"]] == ["bytecode-altered"]
    finally:
        for folder in site.rglob("__pycache__"):
            shutil.rmtree(folder)


@pytest.mark.parametrize(("name", "code"), [("evil.pth", 1), ("sitecustomize.py", 1), ("tqdm.so", 1), ("notes.txt", 0)])
def test_files_that_nobody_installed(project: Project, venv: Path, name: str, code: int) -> None:
    """Start-up code and modules that shadow locked ones are errors, other strays are warnings."""
    (site,) = venv.glob("lib/python*/site-packages")
    (site / name).write_text("import os\n")
    try:
        result = verify(project)
        assert (result.code, len(result.json["findings"])) == (code, 1)
    finally:
        (site / name).unlink()


def test_target_that_is_no_python(project: Project, tmp_path: Path) -> None:
    """A program that answers nothing, one that fails and one that is not there end in 3, 3 and 2."""
    for text, code in (("#!/bin/sh\ntrue\n", 3), ("#!/bin/sh\nexit 7\n", 3)):
        python = tmp_path / f"python{code}{len(text)}"
        python.write_text(text)
        python.chmod(0o755)
        assert verify(project, "--python", str(python)).code == code
    assert verify(project, "--python", str(tmp_path / "nothing")).code == 2


def test_pip_installs_the_same(project: Project, tmp_path: Path) -> None:
    """An environment that pip made from the same wheels matches too, its launchers and bytecode included."""
    python = next(iter((project.folder).glob(".venv*/bin/python"))).resolve()
    subprocess.run([python, "-m", "venv", tmp_path / "pip"], check=True)
    pins = ["jmespath==0.10.0", "tqdm==4.64.0", "markupsafe==2.1.5"]
    pip = [str(tmp_path / "pip/bin/python"), "-m", "pip", "install", "--quiet", "--no-deps", *pins]
    subprocess.run(pip, check=True)
    result = verify(project, "--full", "--python", str(tmp_path / "pip"))
    assert (result.code, result.json["findings"]) == (0, [])


def test_reinstalling_mends_it(project: Project, venv: Path) -> None:
    """sync believes metadata, as uv does; sync --reinstall is the command that findings propose, and it mends."""
    (module,) = venv.glob("lib/python*/site-packages/tqdm/utils.py")
    module.write_bytes(module.read_bytes() + b"# edited\n")
    found = verify(project, "--full").json["findings"]
    assert [finding["fix"] for finding in found] == ["envlock sync small --reinstall"]
    project.ok("sync", "small", "--reinstall")
    assert verify(project, "--full").code == 0


def test_a_stale_lock(project: Project) -> None:
    """Drift that names the input; nothing with --frozen."""
    manifest = project.folder / "envlock.toml"
    manifest.write_text(MANIFEST.replace("tqdm==4.64.0", "tqdm>=4.64.0"), "utf-8")
    try:
        stale, frozen = (project.run("verify", *option) for option in ([], ["--frozen"]))
    finally:
        manifest.write_text(MANIFEST, "utf-8")
    assert (stale.code, frozen.code, frozen.err) == (1, 0, "")
    assert "[lock-stale]" in stale.out and "tqdm==4.64.0 → tqdm>=4.64.0" in stale.out
    assert "next:  envlock lock small" in stale.out
