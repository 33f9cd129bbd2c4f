"""Release files: signed by a known key, of the suite that was asked for, and not expired."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime, timedelta

import pytest

from envlock.errors import IntegrityError, UsageError
from envlock.locking import release as module
from envlock.locking.release import IndexFile, Release, read_release
from tests.unit.debs import Signer

TEXT = """Label: Debian-Security
Codename: bullseye-security
Date: Sat, 12 Sep 2026 09:27:08 UTC
Valid-Until: Sat, 19 Sep 2026 09:27:08 UTC
Acquire-By-Hash: yes
Architectures: all amd64
SHA256:
 {digest} 12 main/binary-amd64/Packages.xz
""".format(digest="ab" * 32)
NOW = datetime(2026, 9, 13, tzinfo=UTC)


@pytest.fixture
def signer(monkeypatch: pytest.MonkeyPatch) -> Signer:
    made = Signer()
    monkeypatch.setattr(module, "_certificates", lambda _: (made.cert,))
    return made


def read(raw: bytes, now: datetime = NOW) -> Release:
    return read_release(raw, archive="debian-security", suite="bullseye-security", now=now)


def test_what_a_verified_release_says_is_recorded(signer: Signer) -> None:
    """Date, digest of the bytes and fingerprint of the signer go to the lock."""
    raw = signer.sign(TEXT)
    found = read(raw)
    assert found.suite.date == "2026-09-12T09:27:08Z"
    assert found.suite.sha256 == hashlib.sha256(raw).hexdigest()
    assert found.suite.signer == signer.cert.fingerprint.upper()
    assert found.by_hash
    assert found.separate_all
    path = "main/binary-amd64/Packages.xz"
    assert found.index_files == {path: IndexFile(path=path, size=12, sha256="ab" * 32)}


def test_indexes_that_hold_packages_of_every_architecture_are_enough(signer: Signer) -> None:
    """Where a release says so, `all` has no index of its own to be read."""
    text = TEXT.replace("Architectures:", "No-Support-for-Architecture-all: Packages\nArchitectures:")
    assert not read(signer.sign(text)).separate_all


def test_text_outside_of_the_signature_is_not_read(signer: Signer) -> None:
    """Lines before and after the signed part change nothing but the digest of the bytes."""
    raw = b"Codename: evil\n" + signer.sign(TEXT) + b"\nValid-Until: Sat, 19 Sep 2037 09:27:08 UTC\n"
    assert read(raw).index_files == read(signer.sign(TEXT)).index_files
    with pytest.raises(UsageError, match="release-expired"):
        read(raw, NOW + timedelta(days=30))


@pytest.mark.parametrize("old,new", [(b"ab" * 32, b"cd" * 32), (b"2026", b"2027"), (b"BEGIN PGP", b"BEGIN")])
def test_a_changed_byte_is_an_integrity_error(signer: Signer, old: bytes, new: bytes) -> None:
    """Exit code 4, with the first line of what OpenPGP says and no more."""
    with pytest.raises(IntegrityError, match="bad-signature") as caught:
        read(signer.sign(TEXT).replace(old, new, 1))
    assert "\n" not in caught.value.found


@pytest.mark.usefixtures("signer")
def test_a_strangers_signature_is_refused() -> None:
    """Only the shipped keys count."""
    with pytest.raises(IntegrityError, match="bad-signature"):
        read(Signer().sign(TEXT))


@pytest.mark.parametrize("raw", [b"", b"Label: Debian\n", b"\x00" * 100])
def test_unsigned_text_is_refused(raw: bytes) -> None:
    """Nothing of it is parsed."""
    with pytest.raises(IntegrityError, match="bad-signature"):
        read(raw)


def test_another_signed_suite_is_refused(signer: Signer) -> None:
    """A mirror may not pass one suite off as another."""
    with pytest.raises(IntegrityError, match="wrong-suite") as caught:
        read_release(signer.sign(TEXT), archive="debian", suite="bullseye", now=NOW)
    assert (caught.value.expected, caught.value.found) == (
        "Debian bullseye",
        "Debian-Security bullseye-security",
    )


def test_an_expired_release_is_refused(signer: Signer) -> None:
    """Valid-Until is judged against the time that the caller hands in."""
    with pytest.raises(UsageError, match="release-expired") as caught:
        read(signer.sign(TEXT), datetime(2026, 9, 20, tzinfo=UTC))
    assert caught.value.found == "valid until 2026-09-19T09:27:08Z"


@pytest.mark.parametrize("field", ["Date: ", "SHA256:"])
def test_a_release_without_what_it_must_say_is_refused(signer: Signer, field: str) -> None:
    """A signature does not make it readable."""
    with pytest.raises(IntegrityError, match="bad-release"):
        read(signer.sign(TEXT.replace(field, "X-" + field)))


def test_the_shipped_keys_are_those_of_three_releases() -> None:
    """Automatic, security and stable keys of bullseye, bookworm and trixie."""
    assert len(module._certificates("debian")) == 9


def test_the_key_of_ubuntu_vouches_for_ubuntu_alone() -> None:
    """That of 2018, which signs every release from 20.04 on; no vendor's keys are among another's."""
    found = {cert.fingerprint.upper() for cert in module._certificates("ubuntu")}
    assert found == {"F6ECB3762474EDA9D21B7022871920D1991BC93C"}
    assert found.isdisjoint(cert.fingerprint.upper() for cert in module._certificates("debian"))


UBUNTU = """Origin: Ubuntu
Label: Ubuntu
Suite: jammy-updates
Version: 22.04
Codename: jammy
Date: Sat, 12 Sep 2026 09:27:08 UTC
Architectures: amd64 arm64 armhf i386 ppc64el riscv64 s390x
Components: main restricted universe multiverse
Acquire-By-Hash: yes
SHA256:
 {digest} 12 universe/binary-amd64/Packages.xz
""".format(digest="ab" * 32)


@pytest.mark.parametrize("archive", ["ubuntu", "ubuntu-ports"])
def test_suites_of_ubuntu_are_told_apart_by_their_suite(signer: Signer, archive: str) -> None:
    """All of a release have one codename, so a mirror could serve one suite in place of another."""
    raw = signer.sign(UBUNTU)
    found = read_release(raw, archive=archive, suite="jammy-updates", now=NOW)
    assert (found.suite.archive, found.suite.suite, found.separate_all) == (archive, "jammy-updates", False)
    for other in ("jammy", "jammy-security"):
        with pytest.raises(IntegrityError, match="wrong-suite"):
            read_release(raw, archive=archive, suite=other, now=NOW)
    with pytest.raises(IntegrityError, match="wrong-suite"):
        read_release(raw, archive="debian", suite="jammy-updates", now=NOW)


def test_keys_are_asked_for_by_the_vendor_of_the_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ubuntu's key signs no release of Debian, whatever its text says."""
    made = Signer()
    monkeypatch.setattr(module, "_certificates", lambda vendor: (made.cert,) if vendor == "ubuntu" else ())
    text = TEXT.replace("Codename", "Suite")
    assert read_release(made.sign(UBUNTU), archive="ubuntu", suite="jammy-updates", now=NOW).by_hash
    with pytest.raises(IntegrityError, match="archive key of Debian"):
        read(made.sign(text))


def test_a_key_vouches_for_nothing_after_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signature from after the end of a key's life does not hold; one from before goes on to."""
    made = Signer()
    before = made.sign(TEXT)
    time.sleep(2.1)  # times in OpenPGP are whole seconds, and a key cannot end before it begins
    cert = made.expiring(datetime.now(UTC) - timedelta(seconds=1))
    monkeypatch.setattr(module, "_certificates", lambda _: (cert,))
    assert read(before).suite.signer == made.cert.fingerprint.upper()
    with pytest.raises(IntegrityError, match="bad-signature"):
        read(made.sign(TEXT))
