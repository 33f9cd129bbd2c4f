"""What requirements files, pyproject.toml, uv.lock and poetry.lock ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.errors import UsageError
from envlock.locking.poetry import requirements_of
from envlock.locking.pyproject import project_requirements
from envlock.locking.requirements_file import canonical_requirement, included_files, written_out
from envlock.locking.sources import Sources, read_sources
from envlock.model.manifest import Environment

UV_LOCK = """\
version = 1
revision = 3
requires-python = ">=3.11"

[manifest]
overrides = [{ name = "certifi", specifier = "<2026" }]

[[package]]
name = "churn"
version = "0.1"
source = { virtual = "." }
dependencies = [
    { name = "click" },
    { name = "numpy", version = "1.26.4", marker = "python_full_version < '3.12'" },
    { name = "idna", marker = "sys_platform == 'win32'" },
]

[package.optional-dependencies]
web = [{ name = "requests", extra = ["socks"] }]

[package.dev-dependencies]
dev = [{ name = "pytest" }]

[[package]]
name = "click"
version = "8.1.7"
source = { registry = "https://example.com/simple" }

[[package]]
name = "numpy"
version = "1.26.4"
source = { registry = "https://example.com/simple" }
resolution-markers = ["python_full_version < '3.12'"]

[[package]]
name = "numpy"
version = "2.0.0"
source = { registry = "https://example.com/simple" }
resolution-markers = ["python_full_version >= '3.12' and sys_platform == 'linux'", "sys_platform == 'win32'"]

[[package]]
name = "ours"
version = "1"
source = { git = "https://example.com/ours" }
"""

POETRY_LOCK = """\
[[package]]
name = "click"
version = "8.1.7"
python-versions = ">=3.7"
groups = ["main"]

[[package]]
name = "colorama"
version = "0.4.6"
python-versions = "!=3.0.*,>=2.7"
groups = ["main"]
markers = "platform_system == \\"Windows\\""

[[package]]
name = "numpy"
version = "1.24.4"
python-versions = ">=3.8,<3.9"
groups = ["main"]

[[package]]
name = "numpy"
version = "1.26.4"
python-versions = ">=3.9"
groups = ["main"]

[[package]]
name = "pytest"
version = "8.0.0"
python-versions = ">=3.8"
groups = ["dev"]

[[package]]
name = "ours"
version = "1.0"
python-versions = "*"
groups = ["main"]

[package.source]
type = "git"
url = "https://example.com/ours"
"""


def environment(*sources: str, groups: tuple[str, ...] = (), extras: tuple[str, ...] = ()) -> Environment:
    return Environment(python="3.11", from_=sources, groups=groups, extras=extras)


def test_uv_lock(tmp_path: Path) -> None:
    """Roots are what the project asks for; pins hold where uv's forks say; what is from git gets none."""
    (tmp_path / "uv.lock").write_text(UV_LOCK, "utf-8")
    assert read_sources(environment("uv.lock", groups=("dev",), extras=("web",)), tmp_path) == Sources(
        requirements=(
            "click",
            "idna ; sys_platform == 'win32'",
            "numpy ; python_full_version < '3.12'",
            "pytest",
            "requests[socks]",
        ),
        constraints=(
            "click==8.1.7",
            "numpy==1.26.4 ; python_full_version < '3.12'",
            "numpy==2.0.0 ; (python_full_version >= '3.12' and sys_platform == 'linux') or (sys_platform == 'win32')",
        ),
        overrides=("certifi<2026",),
    )


def test_uv_lock_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    """Another version, a group that is not there, and what is no lock are errors."""
    path = tmp_path / "uv.lock"
    path.write_text(UV_LOCK, "utf-8")
    with pytest.raises(UsageError, match="no group 'dve'") as caught:
        read_sources(environment("uv.lock", groups=("dve",)), tmp_path)
    assert caught.value.hint == "Did you mean 'dev'?"
    path.write_text("version = 2\n", "utf-8")
    with pytest.raises(UsageError, match="version of uv"):
        read_sources(environment("uv.lock"), tmp_path)
    path.write_text("version = 1\n[[package]]\nsource = { virtual = '.' }\n", "utf-8")
    with pytest.raises(UsageError, match="not as uv writes"):
        read_sources(environment("uv.lock"), tmp_path)


def test_poetry_lock_alone(tmp_path: Path) -> None:
    """Without a pyproject.toml every package of the main group is wanted."""
    (tmp_path / "poetry.lock").write_text(POETRY_LOCK, "utf-8")
    sources = read_sources(environment("poetry.lock"), tmp_path)
    assert sources.requirements == ("click", 'colorama ; platform_system == "Windows"', "numpy", "ours")
    assert sources.constraints == ("click==8.1.7", "colorama==0.4.6", "numpy==1.26.4", "pytest==8.0.0")


def test_poetry_lock_with_its_project(tmp_path: Path) -> None:
    """Roots come from Poetry's tables: groups and extras where they are asked for, optional ones not otherwise."""
    (tmp_path / "poetry.lock").write_text(POETRY_LOCK, "utf-8")
    (tmp_path / "pyproject.toml").write_text(
        '[tool.poetry.dependencies]\npython = "^3.11"\nclick = "^8.1"\n'
        'numpy = { version = "~1.26", optional = true }\n'
        '[tool.poetry.extras]\nfast = ["numpy"]\n[tool.poetry.group.dev.dependencies]\npytest = "*"\n',
        "utf-8",
    )
    assert read_sources(environment("poetry.lock"), tmp_path).requirements == ("click>=8.1,<9",)
    everything = read_sources(environment("poetry.lock", groups=("dev",), extras=("fast",)), tmp_path)
    assert everything.requirements == ("click>=8.1,<9", "numpy>=1.26,<1.27", "pytest")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "c"\ndependencies = ["click>=8"]\n', "utf-8")
    assert read_sources(environment("poetry.lock"), tmp_path).requirements == ("click>=8",)


@pytest.mark.parametrize(
    ("wanted", "requirement"),
    [
        ("^1.2.3", "a>=1.2.3,<2"),
        ("^0.2.3", "a>=0.2.3,<0.3"),
        ("^0.0.3", "a>=0.0.3,<0.0.4"),
        ("^0.0", "a>=0.0,<0.1"),
        ("^0", "a>=0,<1"),
        ("~1.2.3", "a>=1.2.3,<1.3"),
        ("~1", "a>=1,<2"),
        ("1.2.3", "a==1.2.3"),
        ("1.*", "a==1.*"),
        ("=1.2", "a==1.2"),
        ("~=1.4", "a~=1.4"),
        (">=3.8 <3.12", "a>=3.8,<3.12"),
        (">=1, <2", "a>=1,<2"),
        ("*", "a"),
        ({"version": "^2", "extras": ["x", "y"]}, "a[x,y]>=2,<3"),
        ({"version": "^2", "python": "^3.8"}, "a>=2,<3 ; python_version < '4.0' and python_version >= '3.8'"),
        ({"version": "2", "platform": "darwin"}, "a==2 ; sys_platform == 'darwin'"),
        ({"version": "2", "markers": "os_name == 'nt'"}, "a==2 ; os_name == 'nt'"),
    ],
)
def test_poetry_constraints(wanted: object, requirement: str) -> None:
    """Carets and tildes become ranges of PEP 440."""
    assert list(requirements_of("a", wanted, "pyproject.toml")) == [requirement]


@pytest.mark.parametrize("wanted", [{"git": "https://example.com/a"}, {"path": "../a"}, "^1 || ^2"])
def test_poetry_says_what_cannot_be_locked(wanted: object) -> None:
    """No release, or alternatives: there is no PEP 508 for it."""
    with pytest.raises(UsageError) as caught:
        list(requirements_of("a", wanted, "pyproject.toml"))
    assert caught.value.reference == "unlockable-source"


def test_pyproject_groups_and_extras() -> None:
    """Groups include groups, extras name the project itself, and nothing goes round for ever."""
    document = {
        "project": {
            "name": "Churn",
            "dependencies": ["click"],
            "optional-dependencies": {"gpu": ["torch"], "all": ["churn[gpu,all]", "six"]},
        },
        "dependency-groups": {"dev": ["pytest", {"include-group": "Lint"}], "lint": ["ruff"]},
    }
    assert project_requirements(document, ["dev"], ["all"], "pyproject.toml") == (
        "click",
        "torch",
        "six",
        "pytest",
        "ruff",
    )
    with pytest.raises(UsageError, match="no extra 'gup'"):
        project_requirements(document, [], ["gup"], "pyproject.toml")
    with pytest.raises(UsageError, match="includes itself"):
        project_requirements({"dependency-groups": {"a": [{"include-group": "a"}]}}, ["a"], [], "pyproject.toml")


def test_requirements_file_written_out(tmp_path: Path) -> None:
    """Includes stand in place, hashes, comments, order and spelling do not count, and passwords stay out."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "base.txt").write_text("-r ../requirements.txt\nPyYAML >= 6 # yes\n", "utf-8")
    (tmp_path / "pins.txt").write_text("numpy==1.26.4\n", "utf-8")
    path = tmp_path / "requirements.txt"
    path.write_text(
        "# what we need\n-r more/base.txt\n--constraint=pins.txt\n-cpins.txt\n"
        "numpy \\\n    ; python_version<'4' \\\n    --hash=sha256:00\n"
        "--extra-index-url https://user:secret@example.com/simple\n",
        "utf-8",
    )
    assert written_out(path, "requirements.txt") == [
        "--extra-index-url https://example.com/simple",
        "-c numpy==1.26.4",
        'numpy;python_version < "4"',
        "pyyaml>=6",
    ]
    assert included_files(path.read_text("utf-8")) == ["more/base.txt", "pins.txt", "pins.txt"]


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("Foo_Bar [B,a] >=1, <2", "foo-bar[a,b]<2,>=1"),
        ("a @ https://example.com/a.whl ; os_name=='nt'", 'a @ https://example.com/a.whl ;os_name == "nt"'),
        ("./wheels/a.whl", "./wheels/a.whl"),
    ],
)
def test_canonical_requirement(text: str, canonical: str) -> None:
    """One spelling for each requirement, without the separator that inputs use."""
    assert canonical_requirement(text) == canonical


def test_no_part_of_a_password_is_an_input(tmp_path: Path) -> None:
    """Nor of one that has an @ in it."""
    (tmp_path / "requirements.txt").write_text("--index-url https://ana:p@ss@packages.example.com/simple\nsix\n")
    rows = written_out(tmp_path / "requirements.txt", "requirements.txt")
    assert rows == ["--index-url https://packages.example.com/simple", "six"]
