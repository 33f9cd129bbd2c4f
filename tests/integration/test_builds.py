"""Locking what has no wheel, through the real command: everything is built in the build root."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.integration.project import Project
from tests.unit.sdists import hostile_sdist, make_sdist
from tests.unit.wheels import make_wheel

pytestmark = pytest.mark.network

MANIFEST = """\
[[index]]
name = "folder"
url = "index"
format = "flat"

[env.small]
python = "3.11"
dependencies = [{dependencies}]
as-of = "2025-01-01"
"""
IMAGE = """
[env.small.image]
base = "debian-bookworm-python3.11"
"""
EXTENSION = {
    "setup.py": "from setuptools import Extension, setup\n"
    "setup(name='native', version='1.0', ext_modules=[Extension('native', ['native.c'])])\n",
    "native.c": "#include <Python.h>\n"
    'static PyModuleDef module = {PyModuleDef_HEAD_INIT, "native"};\n'
    "PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&module); }\n",
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache, so that the base is fetched once."""
    return tmp_path_factory.mktemp("cache")


def project(folder: Path, cache: Path, *dependencies: str, image: str = IMAGE) -> Project:
    """Make a project with a folder `index` of its own."""
    (folder / "index").mkdir(parents=True)
    return Project(
        folder, MANIFEST.format(dependencies=", ".join(f'"{line}"' for line in dependencies)) + image, cache=cache
    )


def packages(made: Project) -> dict[str, Any]:
    rows = tomllib.loads(made.lock_path().read_text("utf-8"))["packages"]
    return {row["name"]: row for row in rows}


def test_code_of_sdists_never_runs_on_this_machine(tmp_path: Path, cache: Path) -> None:
    """Neither a setup.py nor a backend of its own tree leaves a mark; what they require is locked all the same."""
    mark = tmp_path / "mark"
    made = project(tmp_path / "project", cache, "hostile-setup", "hostile-backend")
    index = made.folder / "index"
    hostile_sdist(index, "hostile_setup", mark, backend=False)
    hostile_sdist(index, "hostile_backend", mark, backend=True)
    make_wheel(index, "innocent")
    made.ok("lock")
    assert sorted(packages(made)) == ["hostile-backend", "hostile-setup", "innocent"]
    assert not mark.exists()
    before = made.lock_path().read_bytes()
    made.ok("lock")
    made.ok("lock", "--rebuild")
    assert made.lock_path().read_bytes() == before
    refused = made.run("lock", "--no-build")
    assert (refused.code, "[build-refused]" in refused.err) == (2, True)
    assert made.lock_path().read_bytes() == before
    assert not mark.exists()


def test_without_a_base_nothing_is_built(tmp_path: Path, cache: Path) -> None:
    """The error names the package and the way out, and no code ran."""
    mark = tmp_path / "mark"
    made = project(tmp_path / "project", cache, "hostile", image="")
    hostile_sdist(made.folder / "index", "hostile", mark, backend=False)
    result = made.run("lock")
    assert result.code == 2
    assert "[build-refused]" in result.err
    assert "hostile" in result.err
    assert "env.NAME.image" in result.err
    assert not mark.exists()
    assert not made.lock_path().exists()


def test_a_c_extension_and_the_tool_that_builds_it(tmp_path: Path, cache: Path) -> None:
    """Both come as sdists alone; on a machine without their wheels they are built again, with the same bytes."""
    pyproject = '[build-system]\nrequires = ["setuptools", "tool"]\nbuild-backend = "setuptools.build_meta"\n'
    made = project(tmp_path / "project", cache, "native")
    make_sdist(made.folder / "index", "native", files=EXTENSION | {"pyproject.toml": pyproject})
    make_sdist(
        made.folder / "index",
        "tool",
        files={"setup.py": "from setuptools import setup\nsetup(name='tool', version='1.0')\n"},
    )
    made.ok("lock")
    native = packages(made)["native"]
    assert native["wheels"][0]["name"] == "native-1.0-cp311-cp311-linux_x86_64.whl"
    requires = {row["name"]: row for row in native["tool"]["envlock"]["build"]["requires"]}
    assert sorted(requires) == ["setuptools", "tool"]
    assert requires["tool"]["build"]["sdist"]["name"] == "tool-1.0.tar.gz"
    for row in (native["wheels"][0] | {"sha256": native["wheels"][0]["hashes"]["sha256"]}, requires["tool"]):
        (cache / "files" / row["sha256"] / row.get("file", row["name"])).unlink()
    made.ok("fetch")


def test_one_pin_moves_where_it_is_told(tmp_path: Path, cache: Path) -> None:
    """-P name==version; a name that nothing has is refused with the nearest one."""
    made = project(tmp_path / "project", cache, "click", "six", image="")
    made.ok("lock")
    made.ok("lock", "-P", "six==1.15.0")
    assert packages(made)["six"]["version"] == "1.15.0"
    assert packages(made)["click"]["version"] == "8.1.8"
    before = made.lock_path().read_bytes()
    result = made.run("lock", "-P", "sixx")
    assert (result.code, "[not-locked]" in result.err, "Did you mean 'six'?" in result.err) == (2, True, True)
    assert made.lock_path().read_bytes() == before
