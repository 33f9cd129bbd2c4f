"""Verification of packages and interpreter: versions, extras, sources, and targets that cannot be believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from envlock.errors import UsageError
from envlock.model.terms import Terms
from envlock.operations.verify import Witnesses, verify_environment
from tests.unit.venvs import BrokenInterpreter, Venv, demo_wheel, finding_of, lock_of, rules_of
from tests.unit.wheels import make_wheel


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    return Venv(tmp_path / "venv")


def test_first_finding_is_the_framework(tmp_path: Path, venv: Venv) -> None:
    """Whatever else differs, the locked framework is told first, with what is known to change."""
    names = ("absl-py", "numpy", "six", "tensorflow", "zipp")
    (tmp_path / "old").mkdir()
    (tmp_path / "new").mkdir()
    versions = {"tensorflow": ("2.5.0", "2.6.0"), "numpy": ("1.19.5", "1.21.0")}
    old = [make_wheel(tmp_path / "old", n.replace("-", "_"), versions.get(n, ("1.0",))[0]) for n in names]
    new = [make_wheel(tmp_path / "new", n.replace("-", "_"), versions.get(n, ("", "2.0"))[1]) for n in names]
    for wheel in new:
        venv.install(wheel)
    verdict = venv.verify(lock_of(old, frameworks=("tensorflow",)), full=False)
    assert verdict.exit_code == 1
    assert [finding.subject for finding in verdict.findings] == ["tensorflow", "numpy", "absl-py", "six", "zipp"]
    first = verdict.findings[0]
    assert (first.rule, first.expected, first.found, first.impact) == ("package-version", "2.5.0", "2.6.0", "results")
    assert "RandomFlip" in first.why


def test_missing_package(tmp_path: Path, venv: Venv) -> None:
    """A locked package that is not installed is drift."""
    verdict = venv.verify(lock_of([demo_wheel(tmp_path)]))
    assert (verdict.exit_code, rules_of(verdict)) == (1, ["package-missing"])


def test_extras_warn_and_tools_do_not(tmp_path: Path, venv: Venv) -> None:
    """An extra warns (an error under --strict); pip, setuptools and the user's own editable project don't."""
    for name in ("pip", "setuptools", "stranger"):
        venv.install(make_wheel(tmp_path, name))
    own = venv.site / "churn-0.1.dist-info"
    own.mkdir()
    (own / "METADATA").write_text("Metadata-Version: 2.1\nName: churn\nVersion: 0.1\n")
    (own / "direct_url.json").write_text('{"url": "file:///src", "dir_info": {"editable": true}}')
    (own / "RECORD").write_text("__editable__.churn.pth,,\nchurn-0.1.dist-info/RECORD,,\n")
    (venv.site / "__editable__.churn.pth").write_text("/src\n")
    lock = lock_of()
    verdict = venv.verify(lock)
    assert (verdict.exit_code, rules_of(verdict), verdict.findings[0].subject) == (0, ["package-extra"], "stranger")
    assert venv.verify(lock, strict=True).exit_code == 1


def test_editable_and_version_control_installs_of_locked_packages(tmp_path: Path, venv: Venv) -> None:
    """A locked package imported from a working tree or a checkout is drift, and its files are not called tampered."""
    wheel = demo_wheel(tmp_path)
    info = venv.install(wheel)
    (info / "direct_url.json").write_text('{"url": "file:///src", "dir_info": {"editable": true}}')
    assert "package-editable" in rules_of(venv.verify(lock_of([wheel])))
    (info / "direct_url.json").write_text(
        '{"url": "https://example.com/demo.git", "vcs_info": {"vcs": "git", "commit_id": "00"}}'
    )
    verdict = venv.verify(lock_of([wheel]))
    assert verdict.exit_code == 1
    assert finding_of(verdict, "package-source").found == "git+https://example.com/demo.git"


def test_package_twice(tmp_path: Path, venv: Venv) -> None:
    """Two versions side by side are told with both: which one is imported is a matter of folder order."""
    (tmp_path / "other").mkdir()
    wheel = make_wheel(tmp_path, "demo", "1.0")
    venv.install(wheel)
    venv.install(make_wheel(tmp_path / "other", "demo", "1.1"))
    finding = finding_of(venv.verify(lock_of([wheel]), full=False), "package-version")
    assert finding.found == "installed 2 times: 1.0, 1.1"


def test_spellings_of_a_version_are_one(tmp_path: Path, venv: Venv) -> None:
    """1.0 and 1.0.0 are the same version."""
    wheel = make_wheel(tmp_path, "demo", "1.0")
    venv.install(wheel)
    info = venv.site / "demo-1.0.dist-info"
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: Demo\nVersion: 1.0.0\n")
    assert venv.verify(lock_of([wheel]), full=False).exit_code == 1
    assert "package-version" not in rules_of(venv.verify(lock_of([wheel]), full=False))


@pytest.mark.parametrize(
    ("answers", "rule", "expected", "found"),
    [
        ({"version": "3.10.4"}, "python-version", "3.11", "3.10.4"),
        ({"implementation": "pypy"}, "python-implementation", "cpython", "pypy"),
        ({"machine": "aarch64"}, "python-platform", "linux/amd64", "linux/aarch64"),
        ({"system": "darwin", "machine": "arm64"}, "python-platform", "linux/amd64", "darwin/arm64"),
    ],
)
def test_interpreter(venv: Venv, answers: dict[str, object], rule: str, expected: str, found: str) -> None:
    """Feature version, implementation and platform decide which wheels run at all."""
    venv.answers = answers
    verdict = venv.verify(lock_of())
    finding = finding_of(verdict, rule)
    assert (verdict.exit_code, finding.expected, finding.found, finding.impact) == (1, expected, found, "results")


def test_patch_release_warns(venv: Venv) -> None:
    """Another patch release than the base's warns, and is an error for a bitwise lock."""
    verdict = venv.verify(lock_of(base_python="3.11.2"))
    assert (verdict.exit_code, rules_of(verdict)) == (0, ["python-patch"])
    assert venv.verify(lock_of(base_python="3.11.2", policy="bitwise")).exit_code == 1


def test_interpreter_that_hangs_is_unknown(tmp_path: Path, venv: Venv) -> None:
    """What could not be asked is exit code 3 with its reason, never a pass."""
    verdict = verify_environment(
        lock_of(),
        venv.prefix,
        folder=tmp_path,
        witnesses=Witnesses(records=lambda wheel: None, interpreter=BrokenInterpreter()),
        terms=Terms(),
    )
    assert (verdict.exit_code, rules_of(verdict)) == (3, ["target-unknown"])
    assert "did not answer" in verdict.findings[0].found


@pytest.mark.parametrize(
    "answers",
    [
        {"sites": "not a list"},
        {"prefix": "/usr", "sites": ["/usr/lib/python3/dist-packages"]},
        {"scripts": "/usr/bin"},
    ],
)
def test_interpreter_that_lies_is_unknown(venv: Venv, answers: dict[str, object]) -> None:
    """A venv's Python that sends envlock to other folders, or answers nonsense, proves nothing."""
    venv.answers = answers
    verdict = venv.verify(lock_of())
    assert (verdict.exit_code, rules_of(verdict)) == (3, ["target-unknown"])


def test_no_target(tmp_path: Path, venv: Venv) -> None:
    """A folder without an interpreter is a usage error that proposes sync."""
    with pytest.raises(UsageError) as raised:
        verify_environment(
            lock_of(),
            tmp_path / "nothing",
            folder=tmp_path,
            witnesses=Witnesses(records=lambda wheel: None, interpreter=venv),
            terms=Terms(),
        )
    assert raised.value.reference == "no-target"


def test_hostile_files_end_in_a_result(tmp_path: Path, venv: Venv) -> None:
    """Loops of links, FIFOs, folders in the place of files and broken JSON are findings, not crashes."""
    wheel = demo_wheel(tmp_path)
    info = venv.install(wheel)
    (venv.site / "loop.py").symlink_to("loop.py")
    os.mkfifo(venv.site / "pipe.py")
    (venv.site / "folder").symlink_to(venv.site)
    (info / "direct_url.json").write_text("[" * 100_000)
    bad = venv.site / "bad-1.0.dist-info"
    bad.mkdir()
    (bad / "METADATA").write_bytes(b"\xff\xfe\x00")
    (bad / "RECORD").write_bytes(b'"unfinished,,\n../../../../../../etc/passwd,sha256=x,1\n\xff\n')
    (venv.site / "demo/native.so").unlink()
    os.mkfifo(venv.site / "demo/native.so")
    verdict = venv.verify(lock_of([wheel]))
    assert verdict.exit_code == 4
    assert {"file-tampered", "file-unrecorded", "package-metadata", "package-extra"} <= set(rules_of(verdict))


def test_files_that_are_links_into_a_cache_are_followed(tmp_path: Path, venv: Venv) -> None:
    """uv's --link-mode symlink makes every file a link: its target's bytes count."""
    wheel = demo_wheel(tmp_path)
    venv.install(wheel)
    module = venv.site / "demo/__init__.py"
    stored = tmp_path / "stored.py"
    module.rename(stored)
    module.symlink_to(stored)
    lock = lock_of([wheel])
    assert venv.verify(lock).exit_code == 0
    stored.write_bytes(b"value = 2\n")
    assert venv.verify(lock).exit_code == 4


def test_packages_of_the_system_behind_the_venv(tmp_path: Path, venv: Venv) -> None:
    """With system site packages the first folder of sys.path decides; what stands behind it is not imported."""
    (tmp_path / "other").mkdir()
    system = Venv(tmp_path / "system")
    system.install(make_wheel(tmp_path / "other", "demo", "0.9"))
    wheel = make_wheel(tmp_path, "demo", "1.0")
    venv.install(wheel)
    venv.answers = {"sites": [str(venv.site), str(system.site)]}
    assert venv.verify(lock_of([wheel])).exit_code == 0
