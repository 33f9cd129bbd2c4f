"""Whose report is believed: signatures come before content, and all that are refused are told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.errors import EnvlockError, IntegrityError, UnverifiableError, UsageError
from envlock.formats.report import report_bytes
from envlock.model.provenance import REPORT_NAMESPACE, Signature, Standing
from envlock.operations.reports import Opened, Trust, open_reports, parse_signed
from tests.unit.reports import NobodySigns, report


class Keys(NobodySigns):
    """Signatures whose text is their standing: right ones stand over the bytes of `raw` alone."""

    def check(self, raw: bytes, armored: bytes, allowed: Path | None, namespace: str = REPORT_NAMESPACE) -> Signature:
        """Return what the text says."""
        assert namespace == "envlock-report"
        standings: dict[bytes, Standing] = {
            b"ana": "trusted",
            b"mallory": "unknown",
            b"nobody": "unchecked",
            b"wrong": "wrong",
            b"torn": "unreadable",
        }
        principal = "ana@example.com" if armored == b"ana" else ""
        return Signature(standing=standings[armored], key="SHA256:abc", principal=principal, why="as they say")


KEYS = Keys()
RAW = report_bytes(report())


def kept(folder: Path, **signers: str) -> Path:
    """Write reports under these names, each signed or, with an empty text, not."""
    for name, signer in signers.items():
        (folder / f"{name}.json").write_bytes(RAW)
        if signer:
            (folder / f"{name}.json.sig").write_text(signer)
    return folder


@pytest.mark.parametrize(
    ("signer", "loose", "demanded", "lenient"),
    [
        ("ana", "", "", ""),
        ("", "", "unsigned-report", ""),
        ("mallory", "", "unknown-signer", "unknown-signer"),
        ("nobody", "", "unchecked-signature", "unchecked-signature"),
        ("wrong", "wrong-signature", "wrong-signature", "wrong-signature"),
        ("torn", "unchecked-signature", "unchecked-signature", "unchecked-signature"),
    ],
)
def test_who_is_believed(tmp_path: Path, signer: str, loose: str, demanded: str, lenient: str) -> None:
    """Without a list, with one, and with one that lets unsigned reports through: never wrong or unknown ones."""
    armored = signer.encode() or None
    for reference, terms in (
        (loose, Trust(signatures=KEYS)),
        (demanded, Trust(signatures=KEYS, allowed=tmp_path, demanded=True)),
        (lenient, Trust(signatures=KEYS, allowed=tmp_path, demanded=True, unsigned=True)),
    ):
        if not reference:
            assert parse_signed(RAW, armored, "ana.json", terms).report == report()
            continue
        with pytest.raises(EnvlockError) as raised:
            parse_signed(RAW, armored, "ana.json", terms)
        assert raised.value.reference == reference
        assert raised.value.exit_code == (3 if reference == "unchecked-signature" else 4)
        assert raised.value.where == "ana.json"


def test_what_a_signature_is_worth() -> None:
    """An allowed signer is named; a right signature of a stranger is told as what it is."""
    trust = Trust(signatures=KEYS)
    assert parse_signed(RAW, b"ana", "x", trust).signer == "signed by ana@example.com"
    assert parse_signed(RAW, b"mallory", "x", trust).signer == "signed by SHA256:abc, whom nobody here vouches for"
    assert Opened(report=report(), where="x").signer == ""


def test_signature_before_content(tmp_path: Path) -> None:
    """A signed report that was altered is an integrity failure, not a damaged file."""
    path = tmp_path / "ana.json"
    path.write_bytes(RAW.replace(b"2.5.0", b"2.6.0"))
    with pytest.raises(UsageError) as damaged:
        open_reports([path], Trust(signatures=KEYS))
    assert damaged.value.reference == "damaged-report"
    (tmp_path / "ana.json.sig").write_text("wrong")
    with pytest.raises(IntegrityError) as altered:
        open_reports([path], Trust(signatures=KEYS))
    assert altered.value.reference == "wrong-signature"


def test_folders_and_files_in_order(tmp_path: Path) -> None:
    """A folder gives its reports by name, each once; signatures beside them are no reports."""
    folder = kept(tmp_path, ben="", ana="ana")
    found = open_reports([folder, tmp_path / "ben.json"], Trust(signatures=KEYS))
    assert [Path(each.where).name for each in found] == ["ana.json", "ben.json"]


def test_all_that_are_refused(tmp_path: Path) -> None:
    """One error names every one, so that nobody mends them one after the other."""
    folder = kept(tmp_path, ana="ana", ben="", mallory="mallory", cem="wrong", dee="nobody")
    with pytest.raises(IntegrityError) as raised:
        open_reports([folder], Trust(signatures=KEYS, allowed=tmp_path, demanded=True))
    lines = raised.value.found.splitlines()
    assert [Path(line.partition(":")[0]).name for line in lines] == ["ben.json", "cem.json", "dee.json", "mallory.json"]
    with pytest.raises(UnverifiableError):
        open_reports([folder / "dee.json"], Trust(signatures=KEYS, allowed=tmp_path, demanded=True))


def test_nothing_there(tmp_path: Path) -> None:
    """A folder without reports, and a file that is not there, are usage errors."""
    for place in (tmp_path, tmp_path / "ana.json"):
        with pytest.raises(UsageError) as raised:
            open_reports([place], Trust(signatures=KEYS))
        assert raised.value.reference == "no-report"


def test_a_folder_of_folders(tmp_path: Path) -> None:
    """Whoever names the folder above is told the one that holds reports."""
    (tmp_path / "reports" / "train").mkdir(parents=True)
    below = kept(tmp_path / "reports" / "train", ana="")
    with pytest.raises(UsageError) as raised:
        open_reports([below.parent], Trust(signatures=KEYS))
    assert (raised.value.reference, raised.value.hint) == ("no-report", f"Name a folder in it: {below}")


def test_a_signature_that_is_huge(tmp_path: Path) -> None:
    """No more of it is read than a signature has; the rest would be somebody's way to fill the memory."""
    read = []

    class Reader(NobodySigns):
        def check(
            self, raw: bytes, armored: bytes, allowed: Path | None, namespace: str = REPORT_NAMESPACE
        ) -> Signature:
            read.append(len(armored))
            return Signature(standing="wrong", key="")

    kept(tmp_path, ana="ana")
    with (tmp_path / "ana.json.sig").open("r+b") as file:
        file.truncate(1 << 32)
    with pytest.raises(IntegrityError):
        open_reports([tmp_path], Trust(signatures=Reader()))
    assert read == [(1 << 20) + 1]
