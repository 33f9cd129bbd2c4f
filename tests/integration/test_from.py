"""`from` in full: what other tools' files ask for is what gets locked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.index_server import IndexServer, serve_index
from tests.integration.project import Project
from tests.unit.wheels import make_wheel

UV_LOCK = """\
version = 1
revision = 3
requires-python = ">=3.11"

[[package]]
name = "zoo"
version = "0.1"
source = { virtual = "." }
dependencies = [{ name = "bear" }, { name = "cat", marker = "sys_platform == 'win32'" }]

[package.optional-dependencies]
more = [{ name = "dog" }]

[package.dev-dependencies]
dev = [{ name = "elk" }]
""" + "".join(
    f'\n[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "https://example.com/simple" }}\n'
    for name, version in (("ant", "1.0"), ("bear", "1.0"), ("cat", "1.0"), ("dog", "1.0"), ("elk", "1.0"))
)

POETRY_LOCK = "".join(
    f'[[package]]\nname = "{name}"\nversion = "1.0"\npython-versions = ">=3.8"\ngroups = ["main"]\n\n'
    for name in ("ant", "bear")
)

PYPROJECT = """\
[project]
name = "zoo"
version = "0.1"
dependencies = ["bear"]

[project.optional-dependencies]
more = ["dog"]

[dependency-groups]
dev = ["elk<2", { include-group = "lint" }]
lint = ["fox"]
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexServer]:
    """An index with a small zoo, where bears need ants."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in ("ant", "bear", "cat", "dog", "elk", "fox"):
        for version in ("1.0", "2.0"):
            make_wheel(folder, name=name, version=version, requires=("ant",) if name == "bear" else ())
    with serve_index(folder) as server:
        yield server


def pins(tmp_path: Path, index: IndexServer, table: str, **files: str) -> list[str]:
    """Lock an environment and return what is pinned; a second look says that the lock is fresh."""
    manifest = f'[[index]]\nname = "local"\nurl = "{index.url}"\ndefault = true\n[env.small]\npython = "3.11"\n{table}'
    project = Project(tmp_path / "project", manifest, cache=tmp_path / "cache")
    for name, text in files.items():
        (project.folder / name.replace("_", ".")).write_text(text, "utf-8")
    project.ok("lock")
    project.ok("lock", "--check")
    lines = project.lock_path().read_text("utf-8").splitlines()
    names = [number for number, line in enumerate(lines) if line.startswith("name = ")]
    return ["==".join(line.split('"')[1] for line in lines[number : number + 2]) for number in names]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('from = "uv.lock"\n', ["ant==1.0", "bear==1.0"]),
        (
            'from = "uv.lock"\ngroups = ["dev"]\nextras = ["more"]\n',
            ["ant==1.0", "bear==1.0", "dog==1.0", "elk==1.0"],
        ),
        ('from = "poetry.lock"\n', ["ant==1.0", "bear==1.0"]),
        ('from = "pyproject.toml"\n', ["ant==2.0", "bear==2.0"]),
        (
            'from = ["requirements.txt", "pyproject.toml"]\ngroups = ["dev"]\nextras = ["more"]\n',
            ["ant==2.0", "bear==2.0", "cat==1.0", "dog==2.0", "elk==1.0", "fox==2.0"],
        ),
        ('dependencies = ["bear"]\nconstraints = ["ant<2", "dog<2"]\n', ["ant==1.0", "bear==2.0"]),
        ('dependencies = ["bear"]\noverrides = ["ant==1.0"]\n', ["ant==1.0", "bear==2.0"]),
    ],
)
def test_from(tmp_path: Path, index: IndexServer, table: str, expected: list[str]) -> None:
    """Exactly the versions of the other lock; groups and extras where they are asked for."""
    files = {"uv_lock": UV_LOCK, "poetry_lock": POETRY_LOCK, "requirements_txt": "-c pins.txt\ncat\n"}
    if "poetry" not in table:
        files["pyproject_toml"] = PYPROJECT
    assert pins(tmp_path, index, table, **files, pins_txt="cat==1.0\n") == expected


def test_init_then_lock(tmp_path: Path, index: IndexServer) -> None:
    """What `init` writes can be locked as it is."""
    project = Project(tmp_path / "project", None, cache=tmp_path / "cache")
    (project.folder / "requirements.txt").write_text("bear==1.0\n", "utf-8")
    project.ok("init", "--env", "small", "--python", "3.12")
    project.ok("lock", environment={"UV_DEFAULT_INDEX": index.url})
    assert b'name = "bear"' in project.lock_path().read_bytes()
