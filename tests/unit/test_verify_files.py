"""Verification of files: one flipped byte anywhere, with and without a rewritten RECORD."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from envlock.formats.startup import DISTUTILS_PRECEDENCE, hacks_of
from envlock.formats.wheel import open_wheel
from envlock.model.observation import Distribution, File
from envlock.observe.distributions import recorded_elsewhere
from tests.unit.venvs import UV_LAUNCHER, Venv, demo_wheel, finding_of, flip, lock_of, rules_of
from tests.unit.wheels import make_wheel, record_line

SITE = "lib/python3.11/site-packages"
EDITABLES = b"from editables.redirector import RedirectingFinder as F\nF.install()\nF.map_module('own', '/own/own.py')"
INFO = f"{SITE}/demo-1.0.dist-info"
FILES = [
    f"{SITE}/demo/__init__.py",
    f"{SITE}/demo/native.so",
    f"{SITE}/demo/sub/table.csv",
    f"{INFO}/METADATA",
    f"{INFO}/WHEEL",
    f"{INFO}/entry_points.txt",
    f"{INFO}/INSTALLER",
    "bin/demo-script",
    "bin/demo-shell",
    "bin/demo-run",
    "share/demo.txt",
    "include/site/python3.11/demo/demo.h",
]


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return demo_wheel(tmp_path)


@pytest.fixture
def venv(tmp_path: Path, wheel: Path) -> Venv:
    made = Venv(tmp_path / "venv")
    made.install(wheel)
    return made


def test_untouched_environment_matches(venv: Venv, wheel: Path) -> None:
    """Every scheme of a wheel is proven by `contents`, with neither RECORD nor wheel at hand."""
    verdict = venv.verify(lock_of([wheel]), records=False)
    assert (verdict.exit_code, verdict.findings) == (0, ())
    assert verdict.summary.files == 10


@pytest.mark.parametrize("records", [True, False], ids=["wheel at hand", "wheel gone"])
@pytest.mark.parametrize("rewritten", [False, True], ids=["RECORD kept", "RECORD rewritten"])
@pytest.mark.parametrize("name", FILES)
def test_every_flipped_byte_is_an_integrity_failure(
    venv: Venv, wheel: Path, name: str, rewritten: bool, records: bool
) -> None:
    """Each byte of each class of file counts; package and file are named wherever the wheel's RECORD is to be had."""
    path, lock = venv.prefix / name, lock_of([wheel])
    original = path.read_bytes()
    record = venv.prefix / INFO / "RECORD"
    kept = record.read_bytes()
    for at in {0, len(original) // 2, len(original) - 1}:
        flip(path, at, at % 7)
        if rewritten:
            venv.rewrite_record(path)
        verdict = venv.verify(lock, records=records)
        assert verdict.exit_code == 4, at
        first = verdict.findings[0]
        assert (first.nature, first.package) == ("integrity", "demo")
        if records or not rewritten:
            assert name in {finding.path for finding in verdict.findings}
        path.write_bytes(original)
        record.write_bytes(kept)


def test_every_byte_of_record_counts(venv: Venv, wheel: Path) -> None:
    """RECORD is parsed so strictly that no byte of it can change unseen, though the package itself stays proven."""
    path, lock = venv.prefix / INFO / "RECORD", lock_of([wheel])
    original = path.read_bytes()
    for at in range(len(original)):
        flip(path, at, at % 8)
        verdict = venv.verify(lock, records=at % 2 == 0)
        assert verdict.exit_code == 4, (at, original[at - 5 : at + 5])
        assert {finding.package for finding in verdict.findings if finding.nature == "integrity"} == {"demo"}
        path.write_bytes(original)


def test_a_file_that_the_rewritten_record_adds_is_named(venv: Venv, wheel: Path) -> None:
    """A module smuggled into the package with a row of its own is not the wheel's."""
    extra = venv.site / "demo/extra.py"
    extra.write_bytes(b"import os\n")
    record = venv.prefix / INFO / "RECORD"
    record.write_text(record.read_text() + record_line("demo/extra.py", extra.read_bytes()))
    verdict = venv.verify(lock_of([wheel]))
    assert verdict.exit_code == 4
    assert finding_of(verdict, "file-tampered").path == f"{SITE}/demo/extra.py"


def test_missing_file_is_drift(venv: Venv, wheel: Path) -> None:
    """A file that is gone contradicts nothing, but the package is not whole; quick mode sees it too."""
    (venv.site / "demo/sub/table.csv").unlink()
    for full in (True, False):
        verdict = venv.verify(lock_of([wheel]), full=full)
        assert verdict.exit_code == 1
        assert finding_of(verdict, "file-missing").path == f"{SITE}/demo/sub/table.csv"


def test_missing_record(venv: Venv, wheel: Path) -> None:
    """A lost RECORD is drift where the wheel's own proves the files, and else leaves the package unproven."""
    (venv.prefix / INFO / "RECORD").unlink()
    verdict = venv.verify(lock_of([wheel]))
    assert (verdict.exit_code, rules_of(verdict)[0]) == (1, "record-contradiction")
    verdict = venv.verify(lock_of([wheel]), records=False)
    assert (verdict.exit_code, finding_of(verdict, "package-unproven").severity) == (3, "error")


def test_quick_mode_sees_sizes(venv: Venv, wheel: Path) -> None:
    """--quick compares sizes with RECORD and proposes --full."""
    path = venv.site / "demo/__init__.py"
    path.write_bytes(path.read_bytes() + b"\n")
    verdict = venv.verify(lock_of([wheel]), full=False)
    finding = finding_of(verdict, "file-size")
    assert (verdict.exit_code, finding.expected, finding.found) == (1, "10 bytes", "11 bytes")
    assert finding.fix == "envlock verify demo --python .venv --full"


def test_another_build_is_drift_not_tampering(tmp_path: Path, venv: Venv, wheel: Path) -> None:
    """conda's build of the locked version, and one with other tags, are consistent in themselves: exit 1."""
    lock = lock_of([wheel])
    other = Venv(tmp_path / "conda")
    rebuilt = demo_wheel(tmp_path / "other", value=2)
    other.records = venv.records
    info = other.install(rebuilt, installer="conda")
    other.records = venv.records
    assert other.verify(lock).exit_code == 4, "nobody but the file INSTALLER says that conda installed it"
    listing = {"files": [f"{info.relative_to(other.prefix)}/METADATA"]}
    (other.prefix / "conda-meta").mkdir()
    (other.prefix / "conda-meta/demo-1.0-0.json").write_text(json.dumps(listing))
    verdict = other.verify(lock)
    assert (verdict.exit_code, rules_of(verdict)) == (1, ["package-rebuilt"])
    assert finding_of(verdict, "package-rebuilt").found.startswith("1.0, installed by conda")
    (info / "INSTALLER").write_bytes(b"uv")
    other.rewrite_record(info / "INSTALLER")
    assert other.verify(lock).exit_code == 4, "the same bytes under an ordinary installer's name are tampering"


def test_locally_compiled_build_is_drift(tmp_path: Path, venv: Venv, wheel: Path) -> None:
    """Another Generator with other METADATA and other code is another build."""
    (tmp_path / "other").mkdir()
    rebuilt = make_wheel(
        tmp_path / "other",
        "demo",
        "1.0",
        {
            "demo/__init__.py": b"value = 1\n",
            "demo-1.0.dist-info/METADATA": b"Metadata-Version: 2.4\nName: demo\nVersion: 1.0\n",
            "demo-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nGenerator: setuptools (82)\nTag: py3-none-any\n",
        },
    )
    other = Venv(tmp_path / "local")
    other.install(rebuilt)
    other.records = venv.records
    verdict = other.verify(lock_of([wheel]))
    assert (verdict.exit_code, "package-rebuilt" in rules_of(verdict)) == (1, True)


def test_launcher_of_another_interpreter(venv: Venv, wheel: Path) -> None:
    """A launcher whose text is right but which starts another Python is named with that Python."""
    path = venv.scripts / "demo-run"
    path.write_bytes(path.read_bytes().replace(str(venv.python).encode(), b"/tmp/evil/python"))
    venv.rewrite_record(path)
    finding = finding_of(venv.verify(lock_of([wheel])), "launcher-altered")
    assert (finding.path, finding.found, finding.nature) == ("bin/demo-run", "#!/tmp/evil/python", "integrity")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("INSTALLER", b"evil"),
        ("REQUESTED", b"x"),
        ("direct_url.json", b"{"),
        ("direct_url.json", b'{"url": "https://example.com/other-1.0-py3-none-any.whl", "archive_info": {}}'),
        (
            "direct_url.json",
            b'{"url": "https://example.com/demo-1.0-py3-none-any.whl", "archive_info": {"hash": "sha256=00"}}',
        ),
        ("uv_cache.json", b'{"evil": 1}'),
        ("uv_cache.json", b'{"timestamp": {"secs_since_epoch": 9999999999, "nanos_since_epoch": 1}}'),
    ],
)
def test_installer_notes_are_judged_by_rule(venv: Venv, wheel: Path, name: str, content: bytes) -> None:
    """What installers add may say only what installers say, even where RECORD lists it truly."""
    path = venv.prefix / INFO / name
    path.write_bytes(content)
    record = venv.prefix / INFO / "RECORD"
    relative = os.path.relpath(path, venv.site)
    lines = [x for x in record.read_text().splitlines(keepends=True) if not x.startswith(f"{relative},")]
    record.write_text("".join([*lines, record_line(relative, content)]))
    verdict = venv.verify(lock_of([wheel]))
    assert verdict.exit_code == 4
    assert finding_of(verdict, "installer-note").path == f"{INFO}/{name}"


def test_direct_url_of_the_locked_wheel_is_fine(venv: Venv, wheel: Path) -> None:
    """pip and uv note where a file came from; the locked wheel under its own name or hash is no alarm."""
    path = venv.prefix / INFO / "direct_url.json"
    path.write_bytes(b'{"url": "file:///somewhere/demo-1.0-py3-none-any.whl", "archive_info": {}}')
    record = venv.prefix / INFO / "RECORD"
    record.write_text(record.read_text() + record_line("demo-1.0.dist-info/direct_url.json", path.read_bytes()))
    assert venv.verify(lock_of([wheel])).exit_code == 0


@pytest.mark.parametrize("verdict_of_python", ["same", "ignored"])
def test_honest_bytecode_is_no_alarm(venv: Venv, wheel: Path, verdict_of_python: str) -> None:
    """Bytecode that Python made here, or would not load at all, is nothing to tell."""
    cache = venv.site / "demo/__pycache__/__init__.cpython-311.pyc"
    cache.parent.mkdir()
    cache.write_bytes(bytes(40))
    venv.bytecode = {cache.name: verdict_of_python}
    assert venv.verify(lock_of([wheel])).findings == ()


def test_metadata_that_its_record_is_wrong_of_is_no_alarm(tmp_path: Path) -> None:
    """PyTorch 1.8 to 1.12 were published with a row of another METADATA: `contents` proves the file that is there."""
    good = make_wheel(tmp_path)
    with open_wheel(good) as wheel:
        rows = wheel.record.decode().splitlines(keepends=True)
    other = record_line("demo-1.0.dist-info/METADATA", b"Metadata-Version: 2.1\n")
    record = "".join(other if "/METADATA," in row else row for row in rows)
    edited, venv = make_wheel(tmp_path, record=record), Venv(tmp_path / "venv")
    venv.install(edited)
    path = venv.prefix / INFO / "RECORD"
    kept = [other if "/METADATA," in row else row for row in path.read_text().splitlines(keepends=True)]
    path.write_text("".join(kept))
    assert venv.verify(lock_of([edited])).findings == ()
    flip(venv.prefix / INFO / "METADATA", 3)
    assert venv.verify(lock_of([edited])).exit_code == 4


def test_bytecode_that_a_wheel_ships_is_no_alarm(tmp_path: Path) -> None:
    """Some wheels hold a .pyc of their builder's, as numpy 1.26 does: it is a file like any other."""
    shipped = {"demo/__init__.py": b"value = 1\n", "demo/__pycache__/__init__.cpython-311.pyc": bytes(40)}
    wheel, venv = make_wheel(tmp_path, files=shipped), Venv(tmp_path / "venv")
    venv.install(wheel)
    venv.bytecode = {"__init__.cpython-311.pyc": "ignored"}
    assert venv.verify(lock_of([wheel])).findings == ()


@pytest.mark.parametrize("records", [True, False], ids=["wheel at hand", "wheel gone"])
@pytest.mark.parametrize(
    ("state", "code"), [("compiled anew", 0), ("gone", 0), ("altered", 4), ("altered, RECORD too", 4)]
)
def test_shipped_bytecode_is_judged_by_its_source(tmp_path: Path, state: str, code: int, records: bool) -> None:
    """Python writes a .pyc anew where its source's time differs, which is no alarm; other code in it is one."""
    shipped = {"demo/__init__.py": b"value = 1\n", "demo/__pycache__/__init__.cpython-311.pyc": bytes(40)}
    wheel, venv = make_wheel(tmp_path, files=shipped), Venv(tmp_path / "venv")
    venv.install(wheel)
    cache = venv.site / "demo/__pycache__/__init__.cpython-311.pyc"
    venv.bytecode = {cache.name: "differs" if "altered" in state else "same"}
    cache.write_bytes(bytes(41))
    if state == "gone":
        cache.unlink()
    if "RECORD" in state:
        venv.rewrite_record(cache)
    assert venv.verify(lock_of([wheel]), records=records).exit_code == code


def test_altered_bytecode_is_an_integrity_failure(venv: Venv, wheel: Path) -> None:
    """A .pyc that runs other code than its proven source is named."""
    cache = venv.site / "demo/__pycache__/__init__.cpython-311.pyc"
    cache.parent.mkdir()
    cache.write_bytes(bytes(40))
    venv.bytecode = {cache.name: "differs"}
    verdict = venv.verify(lock_of([wheel]))
    assert (verdict.exit_code, finding_of(verdict, "bytecode-altered").package) == (4, "demo")


@pytest.mark.parametrize(
    ("name", "content", "rule", "code"),
    [
        ("evil.pth", b"import os; os.abort()\n", "startup-code", 1),
        ("paths.pth", b"/opt/more\n", "startup-code", 0),
        ("evil.start", b"evil:main\n", "startup-code", 1),
        ("sitecustomize.py", b"print(1)\n", "startup-code", 1),
        ("usercustomize/__init__.py", b"", "startup-code", 1),
        ("_virtualenv.py", b"import os\n", "startup-code", 4),
        ("demo.py", b"value = 2\n", "module-shadowed", 1),
        ("demo/more.py", b"value = 2\n", "module-shadowed", 1),
        ("demo/cache.bin", b"x", "file-unrecorded", 0),
        ("stranger/__init__.py", b"", "file-unrecorded", 0),
    ],
)
def test_unrecorded_files(venv: Venv, wheel: Path, name: str, content: bytes, rule: str, code: int) -> None:
    """What no RECORD lists is an error where it runs by itself or meddles with a locked package, else a warning."""
    path = venv.site / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    verdict = venv.verify(lock_of([wheel]))
    assert (rules_of(verdict), verdict.exit_code) == ([rule], code)


def test_files_of_known_tools_are_no_alarm(venv: Venv, wheel: Path) -> None:
    """virtualenv's and setuptools' .pth files, activate scripts and Python's README belong to every environment."""
    (venv.site / "_virtualenv.pth").write_bytes(b"import _virtualenv")
    (venv.site / "distutils-precedence.pth").write_text(
        "import os; var = 'SETUPTOOLS_USE_DISTUTILS'; enabled = os.environ.get(var, 'local') == 'local'; "
        "enabled and __import__('_distutils_hack').add_shim(); "
    )
    (venv.site / "README.txt").write_text("This directory exists so that 3rd party packages can be installed\n")
    for name in ("activate", "activate.fish", "Activate.ps1", "pydoc.bat"):
        (venv.scripts / name).write_text("x")
    for name in ("python3", "python3.11"):
        (venv.scripts / name).symlink_to("python")
    assert venv.verify(lock_of([wheel])).findings == ()


@pytest.mark.parametrize(
    ("content", "severity"), [(b"#!/bin/sh\n", "error"), (b"\x7fELF other", "warning"), (b"text", "error")]
)
def test_another_program_called_python(venv: Venv, wheel: Path, content: bytes, severity: str) -> None:
    """A script that is called python is no link to the interpreter, nor is another interpreter."""
    (venv.scripts / "python3").write_bytes(content)
    (venv.scripts / "python3.11").write_bytes(venv.python.read_bytes())
    finding = finding_of(venv.verify(lock_of([wheel]), full=False), "program-impostor")
    assert (finding.path, finding.severity) == ("bin/python3", severity)


def test_pip_is_judged_by_its_launcher(tmp_path: Path, venv: Venv, wheel: Path) -> None:
    """virtualenv and ensurepip leave launchers that no RECORD lists; another program of that name, or no pip, warns."""
    launcher = venv.scripts / "pip-3.11"
    text = UV_LAUNCHER.format(python=venv.python, module="pip._internal.cli.main", attr="main")
    launcher.write_text(text)
    assert finding_of(venv.verify(lock_of([wheel])), "program-impostor").found == "pip is not installed"
    venv.install(make_wheel(tmp_path, "pip", "24.0", {"pip/__init__.py": b""}))
    assert venv.verify(lock_of([wheel])).findings == ()
    launcher.write_text(text + "import os\n")
    verdict = venv.verify(lock_of([wheel]))
    assert (verdict.exit_code, finding_of(verdict, "program-impostor").found) == (0, "another program")


def editable(venv: Venv, pth: bytes, modules: dict[str, bytes]) -> None:
    """Install the user's own project as a build backend does it."""
    info = venv.site / "own-1.0.dist-info"
    info.mkdir()
    files = {"__editable__.own-1.0.pth": pth, **modules}
    files["own-1.0.dist-info/METADATA"] = b"Metadata-Version: 2.1\nName: own\nVersion: 1.0\n"
    files["own-1.0.dist-info/direct_url.json"] = b'{"url": "file:///own", "dir_info": {"editable": true}}'
    for name, data in files.items():
        (venv.site / name).write_bytes(data)
    (info / "RECORD").write_text("".join(record_line(name, data) for name, data in files.items()))


FINDER = "__editable___own_1_0_finder"
FINDER_PTH = f"import {FINDER}; {FINDER}.install()".encode()


@pytest.mark.parametrize(
    ("pth", "modules", "code"),
    [
        (b"/own/src\n", {}, 0),
        (b"import _editable_impl_own", {"_editable_impl_own.py": EDITABLES}, 0),
        (b"import _editable_impl_own", {"_editable_impl_own.py": EDITABLES + b"\nimport os"}, 1),
        (FINDER_PTH, {}, 1),
        (FINDER_PTH, {f"{FINDER}.py": b"def install(): pass\n"}, 1),
        (b"import os; os.abort()", {}, 1),
    ],
)
def test_editable_projects(venv: Venv, wheel: Path, pth: bytes, modules: dict[str, bytes], code: int) -> None:
    """What build backends write for the user's own project is no alarm; other code behind the same words is one."""
    editable(venv, pth, modules)
    for full in (True, False):
        verdict = venv.verify(lock_of([wheel]), full=full)
        assert (verdict.exit_code, rules_of(verdict)) == (code, ["startup-code"] if code else [])


def test_loaders_whose_text_is_not_known_warn(venv: Venv, wheel: Path) -> None:
    """meson-python's and scikit-build-core's change with every release: their form is known, their code is not."""
    editable(venv, b"import _own_editable_loader", {"_own_editable_loader.py": b"import os\n"})
    finding = finding_of(venv.verify(lock_of([wheel])), "startup-code")
    assert (finding.severity, "the loader of the editable project own" in finding.found) == ("warning", True)


def test_project_that_setuptools_installed_for_development(venv: Venv, wheel: Path) -> None:
    """easy-install.pth may add what an .egg-link names, and nothing else without a word."""
    (venv.site / "own.egg-link").write_text("/own\n.")
    pth = venv.site / "easy-install.pth"
    pth.write_text("/own\n")
    assert venv.verify(lock_of([wheel])).findings == ()
    pth.write_text("/own\n./other.egg\n")
    assert finding_of(venv.verify(lock_of([wheel])), "startup-code").found == "adds './other.egg' to sys.path"


def test_distutils_hack_is_setuptools_own(tmp_path: Path, venv: Venv, wheel: Path) -> None:
    """setuptools runs it at every start: what no release holds is told, whatever RECORD says of it."""
    hack = {"_distutils_hack/__init__.py": b"pass\n", "distutils-precedence.pth": min(DISTUTILS_PRECEDENCE)}
    venv.install(make_wheel(tmp_path, "setuptools", "99.0", hack))
    verdict = venv.verify(lock_of([wheel]))
    assert (verdict.exit_code, finding_of(verdict, "startup-code").severity) == (0, "warning")
    path = venv.site / "_distutils_hack/__init__.py"
    for info in venv.site.glob("setuptools*"):
        for name in ("METADATA", "RECORD"):
            (info / name).write_text((info / name).read_text().replace("99.0", "80.9.0"))
        info.rename(info.with_name("setuptools-80.9.0.dist-info"))
    venv.rewrite_record(path)
    verdict = venv.verify(lock_of([wheel]))
    assert (verdict.exit_code, rules_of(verdict)) == (1, ["startup-code"])
    assert "setuptools 80.9.0" in finding_of(verdict, "startup-code").found


def test_releases_of_setuptools_are_known() -> None:
    """Every release has its own hack; one that nobody knows yet may have that of any other."""
    assert [len(hacks_of(release, "__init__.py")) for release in ("49.2", "49.3", "60.5.1", "75.3.3", "84.2.1")] == [
        *(0, 1, 1, 1, 1)
    ]
    assert hacks_of("75.3.2", "__init__.py") == hacks_of("83.0.0", "__init__.py") != hacks_of("75.3.3", "__init__.py")
    assert hacks_of("80.9.0", "__init__.py") < hacks_of("85.0", "__init__.py")
    assert not hacks_of("none", "__init__.py")
    assert not hacks_of("80.9.0", "more.py")


def test_distutils_hack_of_debian(venv: Venv, wheel: Path) -> None:
    """Debian's setuptools lists no files: its hack is what that release holds, or it is told."""
    info = venv.site / "setuptools-66.1.1.egg-info"
    info.mkdir()
    (info / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: setuptools\nVersion: 66.1.1\n")
    (venv.site / "distutils-precedence.pth").write_bytes(min(DISTUTILS_PRECEDENCE))
    (venv.site / "_distutils_hack").mkdir()
    (venv.site / "_distutils_hack/__init__.py").write_bytes(b"import os\n")
    assert "startup-code" not in rules_of(venv.verify(lock_of([wheel]), full=False))
    finding = finding_of(venv.verify(lock_of([wheel])), "startup-code")
    assert (finding.severity, finding.found) == (
        "error",
        "runs at every start, and is not what setuptools 66.1.1 holds",
    )
    info.rename(info.with_name("setuptools-99.0.egg-info"))
    (venv.site / "setuptools-99.0.egg-info/PKG-INFO").write_text("Name: setuptools\nVersion: 99.0\n")
    assert finding_of(venv.verify(lock_of([wheel])), "startup-code").severity == "warning"


def test_records_beside_the_environment() -> None:
    """A folder of sys.path that is not below the prefix, such as Debian's own, has a prefix of its own."""
    raw = b"../scripts/pip,,\n../../../bin/pip,,\n../../../../root/.profile,,\n"
    for site in ("/usr/lib/python3/dist-packages", "/usr/local/lib/python3.11/dist-packages"):
        files = {f"{site}/pip-23.0.1.dist-info/RECORD": File(kind="file", size=len(raw), content=raw)}
        pip = Distribution(name="pip", version="23.0.1", folder=f"{site}/pip-23.0.1.dist-info")
        outside, climbing = recorded_elsewhere([pip], files, "/usr/local")
        assert [row.split()[2] for row in climbing] == ["../../../../root/.profile,"]
        assert bool(outside) == site.startswith("/usr/local/")


def test_distutils_hack_of_nobody(venv: Venv, wheel: Path) -> None:
    """The line that setuptools writes imports whatever has that name."""
    (venv.site / "distutils-precedence.pth").write_bytes(min(DISTUTILS_PRECEDENCE))
    (venv.site / "_distutils_hack").mkdir()
    (venv.site / "_distutils_hack/__init__.py").write_bytes(b"import os\n")
    verdict = venv.verify(lock_of([wheel]))
    assert (verdict.exit_code, set(rules_of(verdict))) == (1, {"startup-code", "file-unrecorded"})


@pytest.mark.parametrize(
    "name",
    [
        "demo/native.abi3.so",
        "demo/native.cpython-39-x86_64-linux-gnu.so",
        "demo/__init__.pyc",
        "demo/more.pyc",
        "demo.cpython-311-x86_64-linux-gnu.so",
        "demo.abi3.so",
        "demo.pyc",
    ],
)
def test_other_forms_of_a_module(venv: Venv, wheel: Path, name: str) -> None:
    """Extension modules under another tag, and bytecode without a source, are imported in the place of a module."""
    (venv.site / name).write_bytes(b"x")
    verdict = venv.verify(lock_of([wheel]))
    assert (verdict.exit_code, rules_of(verdict)) == (1, ["module-shadowed"])


@pytest.mark.parametrize("records", [True, False], ids=["wheel at hand", "wheel gone"])
def test_unreadable_files_are_unknown(venv: Venv, wheel: Path, records: bool) -> None:
    """A file that cannot be read may be right; beside one that is wrong it changes nothing."""
    path = venv.site / "demo/__init__.py"
    path.unlink()
    path.symlink_to(path.name)
    verdict = venv.verify(lock_of([wheel]), records=records)
    assert (verdict.exit_code, rules_of(verdict)) == (3, ["package-unproven"])
    flip(venv.site / "demo/native.so", 100)
    assert venv.verify(lock_of([wheel]), records=records).exit_code == 4


def test_file_that_a_cache_shares(tmp_path: Path, venv: Venv, wheel: Path) -> None:
    """An edit in place reached the installer's cache too, and the fix says so."""
    os.link(venv.site / "demo/__init__.py", tmp_path / "cached")
    flip(venv.site / "demo/__init__.py", 3)
    fix = finding_of(venv.verify(lock_of([wheel])), "file-tampered").fix
    assert fix.startswith("envlock sync demo --reinstall && uv cache clean demo")


def test_strange_script_is_told(venv: Venv, wheel: Path) -> None:
    """A program of nobody in the folder that activation puts first on PATH is told."""
    (venv.scripts / "ls").write_text("#!/bin/sh\n")
    verdict = venv.verify(lock_of([wheel]))
    assert (rules_of(verdict), verdict.exit_code) == (["file-unrecorded"], 0)
    assert venv.verify(lock_of([wheel]), strict=True).exit_code == 1


def test_sparse_file_of_a_terabyte_does_not_stop_it(venv: Venv, wheel: Path) -> None:
    """A huge file that is nobody's, or that RECORD knows smaller, is told without being read."""
    os.truncate(venv.site / "demo/native.so", 1 << 40)
    (venv.site / "huge.bin").touch()
    os.truncate(venv.site / "huge.bin", 1 << 40)
    verdict = venv.verify(lock_of([wheel]))
    assert verdict.exit_code == 4
    assert finding_of(verdict, "file-tampered").found == "it has 1099511627776 bytes, RECORD says 1028"
    assert finding_of(verdict, "file-unrecorded").path == f"{SITE}/huge.bin"


def test_moved_environment_is_drift(venv: Venv, wheel: Path) -> None:
    """Scripts that all name one interpreter elsewhere come of moving the folder; a single one is tampering."""
    for name in ("demo-run", "demo-script"):
        path = venv.scripts / name
        path.write_bytes(path.read_bytes().replace(str(venv.python).encode(), b"/old/place/bin/python"))
        venv.rewrite_record(path)
        verdict = venv.verify(lock_of([wheel]))
        assert verdict.exit_code == (4 if name == "demo-run" else 1)
    assert finding_of(verdict, "launcher-altered").found.startswith(
        "#!/old/place/bin/python: the environment was moved"
    )


def test_environment_reached_through_a_link(tmp_path: Path, venv: Venv, wheel: Path) -> None:
    """Scripts may name their interpreter by another path to the same folder."""
    (tmp_path / "alias").symlink_to(venv.prefix)
    for name in ("demo-run", "demo-script"):
        path = venv.scripts / name
        path.write_bytes(path.read_bytes().replace(str(venv.prefix).encode(), str(tmp_path / "alias").encode()))
        venv.rewrite_record(path)
    assert venv.verify(lock_of([wheel])).findings == ()
