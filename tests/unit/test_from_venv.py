"""What is installed becomes exact pins, and what cannot be pinned is said."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from envlock.errors import UnverifiableError, UsageError
from envlock.locking.exact_manifest import added_to, manifest_from
from envlock.locking.installed import Installed, InstalledPackage
from envlock.model.edges import MetadataUnknownError, NoProgress, Resolution
from envlock.model.platform import Platform
from envlock.operations.from_venv import differences, installed_pins
from envlock.operations.settle import settled
from tests.unit.venvs import BrokenInterpreter, Venv, lock_of
from tests.unit.wheels import make_wheel

AMD64 = Platform("linux", "amd64")
Metadata = dict[str, tuple[str, ...]]


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    return Venv(tmp_path / "venv")


def put(venv: Venv, name: str, version: str = "1.0", *, requires: tuple[str, ...] = (), **options: str) -> Path:
    """Install a small package and return its .dist-info."""
    folder = venv.prefix.parent / "wheels"
    folder.mkdir(exist_ok=True)
    return venv.install(make_wheel(folder, name, version, requires=requires), **options)


def seen(venv: Venv) -> Installed:
    return installed_pins(venv.prefix, venv, progress=NoProgress())


class Index:
    """An index that has some pins, whose metadata asks for what it is told to."""

    def __init__(self, pins: Mapping[str, tuple[str, ...]], *, silent: tuple[str, ...] = ()) -> None:
        self.pins = dict(pins)
        self.silent = silent
        """Names of sdists that do not say what they require."""
        self.asked: list[Resolution] = []

    def resolve(self, wanted: Resolution) -> list[Mapping[str, Any]]:
        self.asked.append(wanted)
        overrides = {Requirement(text).name: Requirement(text) for text in wanted.overrides}
        told = {row.name: row.requires_dist for row in wanted.metadata}
        chosen: dict[str, str] = {}
        pending = [Requirement(text) for text in wanted.requirements]
        while pending:
            one = pending.pop()
            one = overrides.get(one.name, one)
            if one.marker is not None and not one.marker.evaluate():
                continue
            versions = [p.partition("==")[2] for p in self.pins if p.partition("==")[0] == one.name]
            fitting = [v for v in versions if one.specifier.contains(v)]
            if not fitting or (one.name in chosen and chosen[one.name] not in fitting):
                raise UsageError("unsatisfiable", f"{one} cannot be had.")
            if one.name in chosen:
                continue
            chosen[one.name] = fitting[0]
            if one.name in self.silent and one.name not in told:
                raise MetadataUnknownError(one.name, fitting[0])
            if not wanted.no_deps:
                asked = told.get(one.name, self.pins[f"{one.name}=={fitting[0]}"])
                pending += [Requirement(text) for text in asked]
        return [{"name": name, "version": version} for name, version in chosen.items()]


def test_pins_without_the_tools(venv: Venv) -> None:
    """Everything is pinned but pip, setuptools and wheel; what came from conda's or pip's hands counts the same."""
    put(venv, "tensorflow", "2.5.0", requires=("numpy~=1.19", "six ; extra == 'old'"))
    put(venv, "numpy", "1.19.5", installer="pip\n")
    put(venv, "pip", "23.0")
    put(venv, "setuptools", "65.0")
    found = seen(venv)
    assert (found.python, found.feature, found.platform) == ("3.11.9", "3.11", AMD64)
    assert found.requirements == ("numpy==1.19.5", "tensorflow==2.5.0")
    assert found.frameworks == {"tensorflow": "==2.5.0"}
    assert found.dependencies == ("numpy==1.19.5",)
    assert [(row.name, row.reason) for row in found.left_out] == [("pip", "tool"), ("setuptools", "tool")]
    assert (found.overrides, found.problems) == ((), ())


def test_tool_that_something_requires_is_pinned(venv: Venv) -> None:
    """A tool counts where a package asks for it, however far away."""
    put(venv, "a", requires=("b",))
    put(venv, "b", requires=("setuptools>=1",))
    put(venv, "setuptools", "65.0")
    assert seen(venv).requirements == ("a==1.0", "b==1.0", "setuptools==65.0")


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        ({"url": "file:///src", "dir_info": {"editable": True}}, "editable"),
        ({"url": "https://example.com/r.git", "vcs_info": {"vcs": "git", "commit_id": "1"}}, "repository"),
        ({"url": "file:///src", "dir_info": {}}, "file"),
        ({"url": "https://example.com/a-1.0-py3-none-any.whl", "archive_info": {}}, "file"),
    ],
)
def test_what_no_index_gave(venv: Venv, origin: dict[str, object], reason: str) -> None:
    """Editable installs, checkouts and files cannot be locked; who requires them is locked without them."""
    put(venv, "user", requires=("own",))
    (put(venv, "own") / "direct_url.json").write_text(json.dumps(origin))
    found = seen(venv)
    assert found.requirements == ("user==1.0",)
    assert [(row.name, row.version, row.reason) for row in found.left_out] == [("own", "1.0", reason)]
    assert found.overrides == ("own ; sys_platform == 'never'",)
    assert found.problems == ("user 1.0 requires own, which is not installed or was left out.",)


def test_set_that_contradicts_itself(venv: Venv) -> None:
    """Missing and too old dependencies are kept as they are by overrides; extras count where they are asked for."""
    put(venv, "app", requires=("lib[fast]>=1", "gone>=2 ; python_version >= '3'", "no ; sys_platform == 'win32'"))
    put(venv, "lib", requires=("speed>=2 ; extra == 'fast'", "slow ; extra == 'other'"))
    put(venv, "speed", "1.0")
    found = seen(venv)
    assert found.overrides == ("gone ; sys_platform == 'never'", "speed==1.0")
    assert found.problems == (
        "app 1.0 requires gone>=2, which is not installed or was left out.",
        "lib 1.0 requires speed>=2, and 1.0 is installed.",
    )


def test_conda(venv: Venv) -> None:
    """conda's packages are pinned by their metadata, its build folders are no origin, its libraries are conda-only."""
    put(venv, "own", requires=("numpy",))
    numpy = put(venv, "numpy", "1.26.4", installer="conda")
    (numpy / "direct_url.json").write_text('{"url": "file:///home/conda/build", "dir_info": {}}')
    meta = venv.prefix / "conda-meta"
    meta.mkdir()

    def record(name: str, version: str, files: list[str]) -> None:
        row = {"name": name, "version": version, "build": "h1_0", "files": files, "channel": "somewhere"}
        (meta / f"{name}-{version}-h1_0.json").write_text(json.dumps(row))

    record("numpy", "1.26.4", [f"lib/python3.11/site-packages/numpy-1.26.4.dist-info/{name}" for name in ("RECORD",)])
    record("libblas", "3.9.0", ["lib/libblas.so.3"])
    record("python", "3.11.9", ["bin/python3.11"])
    record("_libgcc_mutex", "0.1", [])
    (meta / "history").write_text("==> now <==\n")
    found = seen(venv)
    assert found.requirements == ("numpy==1.26.4", "own==1.0")
    assert [(row.name, row.reason) for row in found.left_out] == [("libblas", "conda-only")]
    assert [package.conda for package in found.packages] == [True, False]


def test_damaged_conda_meta(venv: Venv) -> None:
    """A file that conda did not write is named."""
    (venv.prefix / "conda-meta").mkdir()
    (venv.prefix / "conda-meta/numpy-1.0-0.json").write_text("{")
    with pytest.raises(UsageError) as caught:
        seen(venv)
    assert (caught.value.reference, "numpy-1.0-0.json" in caught.value.where) == ("bad-conda-meta", True)


def test_outside_of_the_environment(venv: Venv, tmp_path: Path) -> None:
    """Of the system's packages those count that something inside requires."""
    system = Venv(tmp_path / "system")
    put(system, "numpy", "1.26.4")
    put(system, "apt")
    put(venv, "own", requires=("numpy",))
    venv.answers["sites"] = [str(venv.site), str(system.site)]
    found = seen(venv)
    assert found.requirements == ("numpy==1.26.4", "own==1.0")
    assert [(row.name, row.reason) for row in found.left_out] == [("apt", "outside")]


def test_version_that_is_none(venv: Venv) -> None:
    """A version that no pin can say is left out with what was found."""
    odd = venv.site / "odd-banana.dist-info"
    odd.mkdir()
    (odd / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: banana\n")
    assert [(row.name, row.reason) for row in seen(venv).left_out] == [("odd", "unreadable")]


def test_python_that_does_not_answer(venv: Venv) -> None:
    """Nothing is locked of what cannot be observed."""
    with pytest.raises(UnverifiableError):
        installed_pins(venv.prefix, BrokenInterpreter(), progress=NoProgress())


def of(*packages: InstalledPackage) -> Installed:
    return Installed(python="3.11.9", platform=AMD64, packages=packages)


def package(name: str, version: str = "1.0", *requires: str, conda: bool = False) -> InstalledPackage:
    return InstalledPackage(name=name, version=version, requires=requires, conda=conda)


def test_index_lacks_some_pins() -> None:
    """Each pin that the index does not have is found, and left out with the reason."""
    names = [f"p{number}" for number in range(9)]
    index = Index({f"{name}==1.0": () for name in names if name not in ("p2", "p7")})
    found = settled(
        of(*(package(name, conda=name == "p7") for name in names)), index, glibc="2.36", progress=NoProgress()
    )
    assert found.requirements == tuple(f"{name}==1.0" for name in names if name not in ("p2", "p7"))
    assert [(row.name, row.reason) for row in found.left_out] == [("p2", "not-on-index"), ("p7", "conda-only")]
    assert found.left_out[0].why == "has no file on the index for Python 3.11, linux/amd64, glibc 2.36"


def test_index_asks_for_more() -> None:
    """What the index's metadata requires and nobody installed is dropped, however far it goes."""
    index = Index({"a==1.0": ("b", "c"), "b==1.0": (), "c==1.0": ("d",), "d==1.0": ()})
    found = settled(of(package("a"), package("b")), index, progress=NoProgress())
    assert found.overrides == ("c ; sys_platform == 'never'", "d ; sys_platform == 'never'")
    assert {row["name"] for row in index.resolve(index.asked[-1])} == {"a", "b"}


def test_index_contradicts_what_is_installed() -> None:
    """Where the index's metadata refuses the set, every pin is forced."""
    index = Index({"a==1.0": ("b>=2",), "b==1.0": ()})
    found = settled(of(package("a"), package("b")), index, progress=NoProgress())
    assert found.overrides == ("a==1.0", "b==1.0")


def test_sdist_that_does_not_say_what_it_requires() -> None:
    """What is installed knows it."""
    index = Index({"a==1.0": ("never-asked",), "b==1.0": ()}, silent=("a",))
    found = settled(of(package("a", "1.0", "b"), package("b")), index, progress=NoProgress())
    assert (found.requirements, found.overrides, found.left_out) == (("a==1.0", "b==1.0"), (), ())


def test_other_failures_are_no_verdict() -> None:
    """An index that fails says nothing of what it has."""

    class Failing:
        def resolve(self, wanted: Resolution) -> list[Mapping[str, Any]]:
            raise UsageError("resolver-failed", "uv could not resolve.")

    with pytest.raises(UsageError) as caught:
        settled(of(package("a")), Failing(), progress=NoProgress())
    assert caught.value.reference == "resolver-failed"


def test_manifest_text() -> None:
    """The manifest is a first one that a person can go on from."""
    found = of(package("numpy", "1.26.4"), package("torch", "2.1.0", "numpy>=2"))
    assert manifest_from(found, "main") == (
        "# What was installed in a virtual environment, taken by `envlock lock --from-venv`.\n"
        "# Loosen what need not stay as it is, then `envlock lock` again.\n"
        "\n"
        "[env.main]\n"
        'python = "3.11"\n'
        'frameworks = {torch = "==2.1.0"}\n'
        "dependencies = [\n"
        '    "numpy==1.26.4",\n'
        "]\n"
        "# What was installed contradicts what packages ask for; this keeps it as it was:\n"
        "overrides = [\n"
        '    "numpy==1.26.4",\n'
        "]\n"
        "\n"
        "[env.main.image]\n"
        'base = "debian-bookworm-python3.11"\n'
    )


def test_environment_beside_others() -> None:
    """What is there stays as it was, comments too; below [tool.envlock] where that is the manifest."""
    own = "[env.a]  # mine\npython = '3.11'\ndependencies = ['six']\n\n[hardware.laptop]\n"
    text = added_to(own, of(package("six")), "b")
    assert text.startswith(own)
    assert sorted(tomllib.loads(text)["env"]) == ["a", "b"]
    project = "[project]\nname = 'x'\n\n[tool.envlock.env.a]\npython = '3.11'\n[tool.other]\nkey = 1\n"
    text = added_to(project, of(package("six")), "b")
    assert text.startswith(project)
    assert tomllib.loads(text)["tool"]["envlock"]["env"]["b"]["dependencies"] == ["six==1.0"]


def test_manifest_of_another_platform() -> None:
    """A macOS environment gives a manifest for macOS, with nothing of Debian."""
    found = Installed(python="3.12.1", platform=Platform("macos", "arm64"), packages=(package("six"),))
    table = tomllib.loads(manifest_from(found, "main"))["env"]["main"]
    assert table == {"python": "3.12", "dependencies": ["six==1.0"], "platforms": ["macos/arm64"]}


def test_nothing_to_lock() -> None:
    """An empty environment is an error that says what was left out."""
    with pytest.raises(UsageError) as caught:
        manifest_from(of(), "main")
    assert caught.value.reference == "nothing-to-lock"


def test_another_build_is_told(venv: Venv, tmp_path: Path) -> None:
    """The locked wheel of a version and what is installed of it are compared byte by byte."""
    same = make_wheel(tmp_path, "same", "1.0")
    other = make_wheel(tmp_path, "other", "1.0", {"other/__init__.py": b"value = 2\n"}, tag="cp311-cp311-linux_x86_64")
    venv.install(same)
    put(venv, "other", installer="conda")
    found = differences(
        lock_of([same, other]),
        venv.prefix,
        folder=tmp_path,
        interpreter=venv,
        records=lambda wheel: None,
        progress=NoProgress(),
    )
    assert [(finding.package, finding.family) for finding in found] == [("other", "FILE")]
