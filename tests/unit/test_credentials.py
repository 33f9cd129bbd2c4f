"""Credentials are found in order, and given to nobody but the server that they are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from envlock.adapters.credentials import Credentials
from envlock.errors import UsageError
from envlock.model.index import Index, Indexes, Login, redact

CORP = Index(name="corp-1", url="https://packages.example.com/corp/simple")
TEAM = Index(name="team", url="https://packages.example.com/team/simple")
FILE = "https://packages.example.com/corp/files/a.whl"


def indexes(*, keyring: bool = False, **logins: Login) -> Indexes:
    return Indexes(entries=(TEAM, CORP), logins={k.replace("_", "-"): v for k, v in logins.items()}, keyring=keyring)


def keyring(folder: Path, script: str) -> dict[str, str]:
    """Put a keyring command on PATH that writes down what it is asked."""
    command = folder / "bin/keyring"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\necho "$@" >> "{folder}/asked"\n{script}\n')
    command.chmod(0o755)
    return {"PATH": f"{command.parent}:/usr/bin:/bin", "HOME": str(folder)}


def test_the_url_comes_first(tmp_path: Path) -> None:
    """A URL's own user name and password are used, decoded."""
    found = Credentials(indexes(corp_1=Login(user="x", password="y")), {})
    assert found.for_url("https://ana:p%40ss@packages.example.com/corp/a.whl") == ("ana", "p@ss")


def test_of_the_index_by_origin() -> None:
    """Files of an index's server get its credentials, of the index nearest by path; no other server does."""
    found = Credentials(indexes(corp_1=Login(user="c", password="1"), team=Login(user="t", password="2")), {})
    assert found.for_url(FILE) == ("c", "1")
    assert found.for_url("https://packages.example.com/team/files/a.whl") == ("t", "2")
    for other in (
        "http://packages.example.com/corp/",
        "https://packages.example.com:8443/",
        "https://example.com/corp",
    ):
        assert found.for_url(other) is None


def test_variables_by_name() -> None:
    """UV_INDEX_<NAME>_USERNAME and _PASSWORD are uv's spelling, and go before what settings hold."""
    environ = {"UV_INDEX_CORP_1_USERNAME": "ana", "UV_INDEX_CORP_1_PASSWORD": "secret"}
    assert Credentials(indexes(corp_1=Login(user="c", password="1")), environ).for_url(FILE) == ("ana", "secret")
    token = {"UV_INDEX_CORP_1_PASSWORD": "token"}
    assert Credentials(indexes(), token).for_url(FILE) == ("", "token")


@pytest.mark.parametrize("by_variable", [True, False])
def test_netrc(tmp_path: Path, by_variable: bool) -> None:
    """netrc's row of the host is used at once, its default only after a refusal."""
    path = tmp_path / (".netrc" if not by_variable else "credentials")
    path.write_text("machine packages.example.com login ana password secret\ndefault login any password one\n")
    environ = {"NETRC": str(path)} if by_variable else {"HOME": str(tmp_path)}
    found = Credentials(indexes(), environ)
    assert found.for_url(FILE) == ("ana", "secret")
    assert found.for_url("https://elsewhere.example.com/") is None
    assert found.after_refusal("https://elsewhere.example.com/") == ("any", "one")
    assert found.for_url("https://ben@packages.example.com/") is None, "another user's row"


def test_broken_netrc(tmp_path: Path) -> None:
    """A netrc that cannot be read says which line, and repeats none of it."""
    (tmp_path / ".netrc").write_text("machine example.com login ana pasword secret\n")
    with pytest.raises(UsageError) as caught:
        Credentials(indexes(), {"HOME": str(tmp_path)}).for_url(FILE)
    assert caught.value.reference == "bad-netrc"
    assert "secret" not in str(caught.value) and "pasword" not in str(caught.value)


def test_keyring_with_a_user(tmp_path: Path) -> None:
    """The keyring is asked for an index's URL, once, after a refusal, and only where settings enable it."""
    environ = keyring(tmp_path, "echo secret")
    login = Login(user="ana")
    assert Credentials(indexes(corp_1=login), environ).after_refusal(FILE) == ("ana", ""), "it may be a token"
    found = Credentials(indexes(keyring=True, corp_1=login), environ)
    assert found.for_url(FILE) is None
    assert found.after_refusal(FILE) == found.after_refusal(FILE) == ("ana", "secret")
    assert found.for_index(CORP) == ("ana", "secret")
    assert (tmp_path / "asked").read_text() == f"get {CORP.url} ana\n"


def test_keyring_without_a_user(tmp_path: Path) -> None:
    """Where no user is known both are asked for; the host is asked after the URL."""
    environ = keyring(tmp_path, 'test "$2" = packages.example.com && echo ana && echo secret')
    found = Credentials(indexes(keyring=True), environ)
    assert found.for_index(CORP) == ("ana", "secret")
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == [f"get {CORP.url} --mode creds", "get packages.example.com --mode creds"]


def test_a_keyring_that_fails(tmp_path: Path) -> None:
    """No keyring, and one that knows nothing, give nothing."""
    assert Credentials(indexes(keyring=True), keyring(tmp_path, "exit 1")).for_index(CORP) is None
    assert Credentials(indexes(keyring=True), {"PATH": "/nowhere"}).for_index(CORP) is None


def test_redaction() -> None:
    """No credential survives: not in the host part, not in a query."""
    assert redact("https://me:to@ken@example.com:8080/simple/x?key=1#y") == "https://example.com:8080/simple/x"
