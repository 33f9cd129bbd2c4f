"""Files that run at every start or take the place of a locked module, in the guise of what installers write."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from envlock.formats import startup
from envlock.formats.namespace_line import namespace_of
from envlock.formats.startup import DISTUTILS_PRECEDENCE, is_virtualenv
from tests.unit.venvs import Venv, demo_wheel, finding_of, lock_of, rules_of
from tests.unit.wheels import make_wheel

SITE = "sys._getframe(1).f_locals['sitedir']"
EASY = (
    "import sys; sys.__plen = len(sys.path)\n{}\n"
    "import sys; new=sys.path[sys.__plen:]; del sys.path[sys.__plen:]; "
    "p=getattr(sys,'__egginsert',0); sys.path[p:p]=new; sys.__egginsert = p+len(new)\n"
)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Make the locked wheel."""
    return demo_wheel(tmp_path / "wheels")


@pytest.fixture
def venv(tmp_path: Path, wheel: Path) -> Venv:
    """Make an environment that is as locked."""
    found = Venv(tmp_path / "venv")
    found.install(wheel)
    return found


def namespace_line(name: str, root: str = SITE, child: str = "") -> str:
    """Return what setuptools 84 writes."""
    parent, _, last = name.rpartition(".")
    multi = f";m and setattr(sys.modules[{parent!r}], {child or last!r}, m)" if parent else ""
    return (
        f"import sys, types, os;p = os.path.join({root}, *{tuple(name.split('.'))!r});"
        "importlib = __import__('importlib.util');__import__('importlib.machinery');"
        f"m = sys.modules.setdefault({name!r}, importlib.util.module_from_spec("
        f"importlib.machinery.PathFinder.find_spec({name!r}, [os.path.dirname(p)])));"
        f"m = m or sys.modules.setdefault({name!r}, types.ModuleType({name!r}));"
        f"mp = (m or []) and m.__dict__.setdefault('__path__',[]);(p not in mp) and mp.append(p){multi}"
    )


def test_namespace_lines() -> None:
    """A line is what setuptools writes as a whole, about one name."""
    assert namespace_of(namespace_line("google")) == ("google", "")
    assert namespace_of(namespace_line("a.b", "'/own/src'")) == ("a.b", "/own/src")
    assert namespace_of(namespace_line("a.b", child="c")) is None
    assert namespace_of(namespace_line("google").replace("setdefault('google'", "setdefault('numpy'", 1)) is None
    assert namespace_of(namespace_line("google") + ";import os") is None
    assert namespace_of(namespace_line("google", "'/own' + chr(47)")) is None


@pytest.mark.parametrize(
    ("name", "root", "found"),
    [
        ("google", SITE, ""),
        ("demo", SITE, "error"),  # a locked package's name
        ("demo.sub", SITE, "error"),
        ("random", SITE, "error"),  # the standard library's
        ("google", "'/elsewhere'", "error"),  # of no project that is linked
    ],
)
def test_namespaces_take_no_place(venv: Venv, wheel: Path, name: str, root: str, found: str) -> None:
    """What makes a namespace package before every import may not stand for a locked one."""
    (venv.site / "x-nspkg.pth").write_text(namespace_line(name, root) + "\n")
    findings = venv.verify(lock_of([wheel])).findings
    assert [(f.rule, f.severity) for f in findings] == ([("startup-code", found)] if found else [])


def test_easy_install_puts_nothing_first(venv: Venv, wheel: Path) -> None:
    """easy-install.pth may move linked projects to the front, as old setuptools did, and nothing else."""
    (venv.site / "own.egg-link").write_text("/own\n.")
    pth = venv.site / "easy-install.pth"
    pth.write_text(EASY.format("/own"))
    assert venv.verify(lock_of([wheel])).findings == ()
    pth.write_text(EASY.format("/evil"))
    verdict = venv.verify(lock_of([wheel]))
    assert (verdict.exit_code, rules_of(verdict)) == (1, ["startup-code"])


@pytest.mark.parametrize(
    "name",
    [
        "_virtualenv/__init__.py",
        "_virtualenv.abi3.so",
        "_distutils_hack.cpython-39-x86_64-linux-gnu.so",
        "__editable___own_1_0_finder/__init__.py",
        "_editable_impl_own.abi3.so",
    ],
)
def test_twins_of_modules_that_run_at_start(venv: Venv, wheel: Path, name: str) -> None:
    """A package or an extension module is found before the module that a known .pth file means."""
    path = venv.site / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    for full in (True, False):
        verdict = venv.verify(lock_of([wheel]), full=full)
        assert (verdict.exit_code, finding_of(verdict, "startup-code").severity) == (1, "error")


def test_setuptools_lists_no_other_hack(tmp_path: Path, venv: Venv, wheel: Path) -> None:
    """What RECORD lists in _distutils_hack beside its two files runs at every start too."""
    files = {"_distutils_hack/__init__.abi3.so": b"x", "distutils-precedence.pth": min(DISTUTILS_PRECEDENCE)}
    venv.install(make_wheel(tmp_path, "setuptools", "80.9.0", files))
    verdict = venv.verify(lock_of([wheel]))
    assert (verdict.exit_code, finding_of(verdict, "startup-code").severity) == (1, "error")


def test_virtualenv_on_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows ends its lines otherwise, and for old Pythons of macOS a few lines follow."""
    text = b"import os\n"
    monkeypatch.setattr(startup, "_VIRTUALENV", frozenset({hashlib.sha256(text).hexdigest()}))
    patch = startup._LAUNCHER_PATCH
    assert all(map(is_virtualenv, (text, text.replace(b"\n", b"\r\n"), text + patch)))
    assert not any(map(is_virtualenv, (b"", text + b"#", text + patch + patch, patch)))
