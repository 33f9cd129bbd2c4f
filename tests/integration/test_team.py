"""Three people, three clones, one repository: reports are signed, committed, pulled, compared, and forged in vain."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from envlock.formats.report import read_report, report_bytes
from tests.integration.programs import python_of
from tests.integration.project import Project
from tests.integration.teammates import Teammate, make_key, make_team, odd_ones
from tests.unit.repositories import GitRepository

pytestmark = pytest.mark.network

MANIFEST = """\
[env.fit]
python = "3.11"
dependencies = ["numpy==1.26.4"]
as-of = "2025-01-01"
"""
THREADS = {"ana": "4", "ben": "16", "cem": "4"}


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> list[Teammate]:
    """Ana has what is locked, Ben other thread settings, Cem another Python and another numpy."""
    from uv import find_uv_bin

    folder = tmp_path_factory.mktemp("team")
    locked = Project(folder / "locked", MANIFEST, cache=folder / "cache")
    GitRepository(locked.folder)
    locked.ok("lock")
    ana, ben, cem = people = make_team(locked, folder, "ana", "ben", "cem")
    for each in (ana, ben):
        each.ok("sync")
    uv = [find_uv_bin(), "--quiet", "--no-config"]
    for command in (
        ["venv", "--python", python_of("3.10"), ".venv"],
        ["pip", "install", "--python", ".venv", "numpy==1.25.2"],
    ):
        subprocess.run([*uv, *command], cwd=cem.folder, check=True)
    for each in people:
        options = ("--python", ".venv") if each is cem else ()
        each.share_report("fit", *options, environment={"OMP_NUM_THREADS": THREADS[each.name]})
    for each in people:
        each.clone.git("pull", "-q", "--rebase", "origin", "main")
    return people


@contextmanager
def changed(folder: Path) -> Iterator[Path]:
    """Yield the folder of kept reports, to be put back as it was."""
    reports = folder / "lockfiles/reports/fit"
    before = {path: path.read_bytes() for path in reports.iterdir()}
    try:
        yield reports
    finally:
        for path in reports.iterdir():
            if path not in before:
                path.unlink()
        for path, raw in before.items():
            path.write_bytes(raw)


def test_the_odd_one_out_on_the_right_factor(team: list[Teammate]) -> None:
    """Ben is odd on threads, Cem on Python and numpy, Ana on nothing; everybody who pulls sees it."""
    for each in team:
        odd = odd_ones(each)
        assert set(odd) == {"ben", "cem"}
        assert "threads" in odd["ben"]
        assert not {"python", "numpy"} & odd["ben"]
        assert {"python", "numpy"} <= odd["cem"]
        assert "threads" not in odd["cem"]


def test_who_signed_is_told(team: list[Teammate]) -> None:
    """Of a kept report, `verify` says by whom, and what it drifts in."""
    ana = team[0]
    matching = ana.run("verify", "fit", "--report", "lockfiles/reports/fit/ana.json")
    assert "signed by ana@example.com" in matching.out
    drifted = ana.run("verify", "fit", "--report", "lockfiles/reports/fit/cem.json", "--json")
    assert drifted.code == 1
    assert "numpy" in [finding["subject"] for finding in drifted.json["findings"]]


def test_an_altered_report_is_refused(team: list[Teammate]) -> None:
    """Another version under the old signature: exit code 4 everywhere, also with --allow-unsigned."""
    ana = team[0]
    with changed(ana.folder) as reports:
        (reports / "cem.json").write_bytes((reports / "cem.json").read_bytes().replace(b"1.25.2", b"1.26.4"))
        for words in (["compare"], ["compare", "--allow-unsigned"], ["verify", "--report", str(reports / "cem.json")]):
            result = ana.run(*words)
            assert (result.code, "[wrong-signature]" in result.err) == (4, True), result.err
            assert "cem.json" in result.err


def test_a_forged_report_is_refused(team: list[Teammate], tmp_path: Path) -> None:
    """Made to match and signed by a stranger, or with the signature dropped: exit code 4, and each one is named."""
    ana = team[0]
    make_key(tmp_path / "key", "mallory")
    with changed(ana.folder) as reports:
        (reports / "cem.json").write_bytes((reports / "ana.json").read_bytes())
        (reports / "cem.json.sig").unlink()
        sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "envlock-report", "-f", str(tmp_path / "key")]
        subprocess.run([*sign, str(reports / "cem.json")], check=True, capture_output=True)
        (reports / "ben.json.sig").unlink()
        result = ana.run("compare")
        assert result.code == 4
        assert "ben.json" in result.err
        assert "[unsigned-report]" in result.err
        assert "cem.json" in result.err
        assert "[unknown-signer]" in result.err
        assert ana.run("compare", "--allow-unsigned").code == 4
        assert ana.run("--offline", "status").code == 4
        (reports / "cem.json.sig").unlink()
        loose = ana.run("compare", "--allow-unsigned")
        assert loose.code == 1, loose.err


def test_a_signature_for_another_purpose_is_none(team: list[Teammate]) -> None:
    """A teammate's own signature over the same bytes, made for git, vouches for no report."""
    ana = team[0]
    with changed(ana.folder) as reports:
        (reports / "ana.json.sig").unlink()
        sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "git", "-f", str(ana.key)]
        subprocess.run([*sign, str(reports / "ana.json")], check=True, capture_output=True)
        result = ana.run("compare")
        assert (result.code, "[wrong-signature]" in result.err) == (4, True), result.err


@pytest.mark.parametrize(
    ("line", "instead", "reference"),
    [
        ('"schema": 1', '"schema": 99', "newer-report"),
        ('"distributions"', '"packages"', "not-a-report"),
        ("1.26.4", "1.26.5", "damaged-report"),
    ],
)
def test_bad_reports(team: list[Teammate], tmp_path: Path, line: str, instead: str, reference: str) -> None:
    """Another schema, something else, a slip of the hand: exit code 2 and what to do, once unsigned ones may pass."""
    ana = team[0]
    raw = (ana.folder / "lockfiles/reports/fit/ana.json").read_text("utf-8")
    assert line in raw
    path = tmp_path / "x.json"
    path.write_text(raw.replace(line, instead), "utf-8")
    refused = ana.run("verify", "fit", "--report", str(path))
    assert (refused.code, "[unsigned-report]" in refused.err) == (4, True), refused.err
    result = ana.run("verify", "fit", "--report", str(path), "--allow-unsigned")
    assert (result.code, f"[{reference}]" in result.err) == (2, True), result.err
    assert "next:" in result.err


def test_a_report_of_another_environment(team: list[Teammate], tmp_path: Path) -> None:
    """It is refused with the command that judges it by the lock it is of."""
    ana = team[0]
    kept = read_report(ana.folder / "lockfiles/reports/fit/ana.json")
    assert kept.lock is not None
    path = tmp_path / "x.json"
    path.write_bytes(report_bytes(replace(kept, lock=replace(kept.lock, env="serve"))))
    result = ana.run("verify", "fit", "--report", str(path), "--allow-unsigned")
    assert (result.code, "[other-environment]" in result.err) == (2, True), result.err
    assert "envlock verify serve --report" in result.err
