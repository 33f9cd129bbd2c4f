"""Project images through the real command: the same files are the same image on any machine, edited ones another."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.integration.project import SMALL, Project

pytestmark = pytest.mark.network

MANIFEST = f"""{SMALL}
cmd = ["-m", "churn.train"]
entrypoint = ["python"]
env = {{ PYTHONPATH = "/app/src" }}
include = ["src/", "train.py", "conf/*.yaml"]
"""
FILES = {
    "src/churn/__init__.py": "",
    "src/churn/train.py": "import click\n",
    "src/churn/ü.py": "",
    "src/run.sh": "#!/bin/sh\n",
    "train.py": "import churn\n",
    "conf/a.yaml": "a: 1\n",
    "conf/notes.txt": "not included\n",
    "src/secret.key": "left out\n",
    "data/big.csv": "not included\n",
}
IGNORED = "# keys stay here\n**/*.key\n"


@pytest.fixture(scope="module")
def project(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with files to include, locked."""
    project = Project(tmp_path_factory.mktemp("project"), MANIFEST, cache=built.cache)
    fill(project.folder, FILES)
    project.ok("lock")
    return project


def fill(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")
    (folder / "src/run.sh").chmod(0o755)
    (folder / "src/link").symlink_to("churn/train.py")
    (folder / ".dockerignore").write_text(IGNORED, "utf-8")


def row_of(project: Project, *command: str, environment: dict[str, str] | None = None) -> Any:
    """Build and return what --json says."""
    done = project.run_command(
        *(command or (sys.executable,)), "-m", "envlock", "build", "--json", "-o", "oci:out", environment=environment
    )
    assert done.code == 0, done.err
    return done.json["images"][0]


def layer_of(project: Project, tag: str) -> tarfile.TarFile:
    """Return the last layer of a tag's image."""
    blobs = project.folder / "out/blobs"
    descriptors = json.loads((project.folder / "out/index.json").read_bytes())["manifests"]
    (document,) = (one for one in descriptors if one["annotations"]["org.opencontainers.image.ref.name"] == tag)
    for key in ("manifests", "layers"):
        document = json.loads((blobs / document["digest"].replace(":", "/")).read_bytes())[key][-1]
    return tarfile.open(
        fileobj=io.BytesIO(gzip.decompress((blobs / document["digest"].replace(":", "/")).read_bytes()))
    )


def elsewhere(project: Project, folder: Path, owner: int | None = None) -> Project:
    """Return another checkout: other path, order of files, times, modes for others, owners."""
    other = Project(folder / "an other ü", MANIFEST, cache=project.cache)
    fill(other.folder, dict(reversed(FILES.items())))
    shutil.copytree(project.folder / "lockfiles", other.folder / "lockfiles")
    for at, path in enumerate(sorted(other.folder.rglob("*"))):
        if not path.is_symlink():
            path.chmod(0o700 if path.is_dir() or (os.access(path, os.X_OK) and path.suffix == ".sh") else 0o600)
            if owner is not None:
                os.chown(path, owner + at, owner)
        os.utime(path, (at, at), follow_symlinks=False)
    (other.folder / "src/churn/__pycache__").mkdir()
    (other.folder / "src/churn/__pycache__/train.cpython-311.pyc").write_bytes(b"x")
    (other.folder / "src/empty").mkdir()
    return other


def forget(project: Project) -> None:
    """Take the layers of project files out of the cache, so that they are written anew."""
    assert project.cache is not None
    blobs = project.folder / "out/blobs/sha256"
    for descriptor in json.loads((project.folder / "out/index.json").read_bytes())["manifests"]:
        (manifest,) = json.loads((blobs / descriptor["digest"][7:]).read_bytes())["manifests"]
        layer = json.loads((blobs / manifest["digest"][7:]).read_bytes())["layers"][-1]
        for known in project.cache.glob("layers/*/layer.json"):
            if json.loads(known.read_bytes())["digest"] == layer["digest"]:
                shutil.rmtree(known.parent)


@pytest.mark.parametrize(
    ("user", "shell", "environment"),
    [
        (True, "umask 077", {}),
        (True, "umask 000", {"TZ": "Pacific/Kiritimati", "SOURCE_DATE_EPOCH": "1"}),
        (False, "umask 027", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONHASHSEED": "7"}),
        (False, "umask 022", {"LC_ALL": "tr_TR.ISO-8859-9", "USER": "somebody", "HOME": "/nonexistent"}),
    ],
)
def test_same_files_are_the_same_image(
    project: Project, tmp_path: Path, user: bool, shell: str, environment: dict[str, str]
) -> None:
    """Path, order, times, owners, what others may do, umask, zone, locale and user reach neither tag nor digest."""
    expected = row_of(project)["project"]
    other = elsewhere(project, tmp_path, owner=3000 if not user and os.geteuid() == 0 else None)
    forget(project)
    command = ["unshare", "--map-user=1234", "--map-group=1234", "sh"] if user else ["sh"]
    found = row_of(other, *command, "-c", f'{shell}; exec {sys.executable} "$@"', "sh", environment=environment)
    assert found["project"] == expected


def test_layer_holds_what_git_keeps(project: Project) -> None:
    """Included files, but for those that .dockerignore leaves out: owner, modes and times are the same for all."""
    with layer_of(project, row_of(project)["project"]["tag"]) as archive:
        members = archive.getmembers()
    assert [(m.name, oct(m.mode)) for m in members] == [
        ("app", "0o755"),
        ("app/conf", "0o755"),
        ("app/conf/a.yaml", "0o644"),
        ("app/src", "0o755"),
        ("app/src/churn", "0o755"),
        ("app/src/churn/__init__.py", "0o644"),
        ("app/src/churn/train.py", "0o644"),
        ("app/src/churn/ü.py", "0o644"),
        ("app/src/link", "0o777"),
        ("app/src/run.sh", "0o755"),
        ("app/train.py", "0o644"),
    ]
    assert {(m.uid, m.gid, m.uname, m.gname, m.mtime) for m in members} == {(0, 0, "", "", 315_532_800)}


def test_edited_code_never_meets_an_old_tag(project: Project) -> None:
    """Each state of the files has a tag of its own above the same environment, and coming back finds the old one."""
    first = row_of(project)
    path = project.folder / "src/churn/train.py"
    before = path.read_text()
    path.write_text(before + "# edited\n")
    second = row_of(project)
    path.write_text(before)
    assert second["project"]["tag"] != first["project"]["tag"]
    assert (second["index"], second["platforms"]) == (first["index"], first["platforms"])
    assert row_of(project) == first


def test_verify_reads_project_images(project: Project) -> None:
    """An image of ours matches in both modes; the project's files are told; one flipped byte of theirs is seen."""
    row = row_of(project)
    target = f"oci:{project.folder / 'out'}:{row['project']['tag']}"
    for mode in ("--quick", "--full"):
        result = project.run("verify", "small", "--image", target, mode, "--json")
        assert (result.code, [f["rule"] for f in result.json["findings"]]) == (0, ["image-project"]), result.out
        assert project.run("verify", "small", "--image", f"oci:{project.folder / 'out'}", mode).code == 0
    assert result.json["summary"]["files"] > 30
    copy = project.folder / "copy"
    shutil.copytree(project.folder / "out", copy)
    blobs = copy / "blobs/sha256"
    layer = json.loads((blobs / row["project"]["platforms"]["linux/amd64"]["manifest"][7:]).read_bytes())["layers"][-1]
    blob = blobs / layer["digest"][7:]
    raw = bytearray(blob.read_bytes())
    raw[len(raw) // 2] ^= 1
    blob.unlink()
    blob.write_bytes(raw)
    assert project.run("verify", "small", "--image", f"oci:{copy}:{row['project']['tag']}").code == 4
    shutil.rmtree(copy)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: os.mkfifo(folder / "src/pipe"), "src/pipe cannot be in an image: it is a named pipe"),
        (lambda folder: (folder / "src/out").symlink_to("/etc/passwd"), "a link to the absolute path /etc/passwd"),
        (lambda folder: (folder / "train.py").unlink(), "include names 'train.py', which brings no file"),
        (lambda folder: (folder / ".dockerignore").write_text("a\n[\n"), "Line 2 of .dockerignore is no pattern"),
    ],
)
def test_what_cannot_be_included_is_named(project: Project, tmp_path: Path, make: Any, said: str) -> None:
    """A usage error, before anything is written, that names the file and no folder of this machine."""
    other = elsewhere(project, tmp_path)
    make(other.folder)
    result = other.run("build", "-o", "oci:out")
    assert (result.code, said in result.err) == (2, True), result.err
    assert str(tmp_path) not in result.err
    assert not (other.folder / "out").exists()
