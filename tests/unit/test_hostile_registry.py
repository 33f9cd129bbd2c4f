"""Registries that mean harm: none of them gets at other hosts, at memory, or at what is printed."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import urllib3

from envlock.adapters.registry import OciRegistry
from envlock.adapters.registry_auth import Credentials
from envlock.adapters.registry_hosts import Hosts, is_safe
from envlock.adapters.registry_session import Session
from envlock.errors import EnvlockError, IntegrityError, UsageError
from envlock.formats.oci import INDEX, digest_of
from envlock.model.reference import Reference
from tests.unit.fake_registry import PASSWORD, USER, Answer, FakeRegistry, serving

RAW = b'{"schemaVersion":2}'
NO_URLS = ["http://[::1", "https://registry.example.com:99999999/", "https://[half/v2/", "https://", "//[/"]
DEEP = b'{"schemaVersion":2,"manifests":[{"annotations":' + b"[" * 900 + b"]" * 900 + b"}]}"


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    registry = FakeRegistry()
    registry.add("team/base", "1", INDEX, RAW)
    with serving(registry):
        yield registry


def client(fake: FakeRegistry) -> tuple[OciRegistry, Reference]:
    credentials = Credentials(user=USER, secret=PASSWORD)
    session = Session(
        credentials=lambda _: credentials, sleep=lambda _: None, daemon=Path("/nonexistent"), environment={}
    )
    return OciRegistry(session), Reference.parse(f"{fake.address}/team/base:1")


def always(answer: Answer, part: str = "/v2/team") -> Callable[[str, str, int], Answer | None]:
    return lambda method, path, times: answer if part in path else None


def refused(ask: Callable[[], object]) -> EnvlockError:
    """Return the error, which is one of ours and repeats no secret."""
    with pytest.raises(EnvlockError) as caught:
        ask()
    assert PASSWORD not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("location", NO_URLS)
def test_redirect_to_what_is_no_url(fake: FakeRegistry, location: str) -> None:
    """An error of the registry's, not of ours."""
    fake.instead = always((307, {"Location": location}, b""))
    registry, reference = client(fake)
    assert refused(lambda: registry.manifest(reference)).reference == "registry-failed"


@pytest.mark.parametrize("location", NO_URLS)
def test_upload_to_what_is_no_url(fake: FakeRegistry, location: str) -> None:
    """Nor where the registry says that a layer goes there."""
    fake.instead = always((202, {"Location": location}, b""), "uploads")
    registry, reference = client(fake)
    error = refused(lambda: registry.upload(reference, digest_of(b"x"), 1, lambda: iter((b"x",))))
    assert error.reference == "registry-failed"


@pytest.mark.parametrize("realm", [*NO_URLS, "http://registry.example.com/token", "ftp://127.0.0.1/", ""])
def test_token_server_that_is_none(fake: FakeRegistry, realm: str) -> None:
    """No password goes there."""
    fake.instead = always((401, {"WWW-Authenticate": f'Bearer realm="{realm}"'}, b""))
    registry, reference = client(fake)
    assert refused(lambda: registry.manifest(reference)).reference == "registry-failed"


@pytest.mark.parametrize("token", ["\u4e2d", "a\r\nX: y", "\x1b[2J", 7, None])
def test_tokens_that_no_header_holds(fake: FakeRegistry, token: object) -> None:
    """They would end in a traceback, or in a header of their own."""
    fake.auth = "bearer"
    fake.instead = always((200, {}, json.dumps({"token": token}).encode()), "/token")
    registry, reference = client(fake)
    assert "gave no token" in refused(lambda: registry.manifest(reference)).found


def test_only_registries_of_this_machine_send_us_to_its_ports() -> None:
    """Without TLS a registry elsewhere reaches nothing that listens here, by redirects, uploads or token servers."""
    here = "http://127.0.0.1:2375/containers/x/archive"
    assert is_safe(here)
    assert is_safe(here, "http://localhost:5000")
    assert not is_safe(here, "https://registry.example.com:443")
    assert is_safe("https://storage.example.com/x", "https://registry.example.com:443")


@pytest.mark.parametrize("kind", ["manifest", "blob", "referrers", "refusal"])
def test_bodies_that_inflate_to_any_size_are_not_inflated(fake: FakeRegistry, kind: str) -> None:
    """No coding was asked for: what comes compressed counts as it came."""
    bomb = gzip.compress(bytes(64 << 20))
    headers = {"Content-Encoding": "gzip", "Content-Type": INDEX}
    fake.instead = always((500 if kind == "refusal" else 200, headers, bomb))
    registry, reference = client(fake)
    ask: dict[str, Callable[[], object]] = {
        "manifest": lambda: registry.manifest(reference.at(digest_of(bytes(64 << 20)))),
        "blob": lambda: sum(map(len, registry.blob(reference, digest_of(bytes(64 << 20))))),
        "referrers": lambda: registry.referrers(reference.at(digest_of(RAW))),
        "refusal": lambda: registry.has_blob(reference, digest_of(RAW)),
    }
    error = refused(ask[kind])
    assert error.reference == ("digest-mismatch" if kind in ("manifest", "blob") else "registry-failed")


@pytest.mark.parametrize("said", ["sha512:" + "0" * 128, "\x1b[2J", "sha256:../../other/manifests/1", "latest"])
def test_digest_headers_that_are_none(fake: FakeRegistry, said: str) -> None:
    """The bytes are asked for, whose digest is theirs."""
    headers = {"Content-Type": INDEX, "Docker-Content-Digest": said}
    fake.instead = lambda method, path, _: (200, headers, RAW) if "manifests" in path and method == "HEAD" else None
    registry, reference = client(fake)
    assert registry.find(reference) == digest_of(RAW)


def test_explanations_are_one_line(fake: FakeRegistry) -> None:
    """A registry cannot write the next step in envlock's name."""
    said = {"errors": [{"code": "DENIED", "message": "no\n  next: curl https://example.com | sh\x1b[2J"}]}
    fake.instead = always((403, {}, json.dumps(said).encode()))
    registry, reference = client(fake)
    text = str(refused(lambda: registry.manifest(reference)))
    assert [line for line in text.splitlines() if line.startswith("  next")] == [
        f"  next: Log in as docker does: docker login {fake.address}; is the name of the image right?"
    ]
    assert "\x1b" not in text


@pytest.mark.parametrize("body", [DEEP, DEEP.replace(b"[" * 900, b"[" * 99_000), b'{"manifests":[{"a":"\\ud800"}]}'])
@pytest.mark.parametrize("kept", [False, True])
def test_lists_of_referrers_that_cannot_be_written_again(fake: FakeRegistry, body: bytes, *, kept: bool) -> None:
    """Depths and half characters are the registry's error, also under the fallback tag."""
    fake.instead = always((404, {}, b"") if kept else (200, {"Content-Type": INDEX}, body), "/referrers/")
    tag = digest_of(RAW).replace(":", "-")
    fake.add("team/base", tag, INDEX, body)
    registry, reference = client(fake)
    try:
        registry.referrers(reference.at(digest_of(RAW)))
    except UsageError as error:
        assert error.reference == "registry-failed"


def test_lists_of_referrers_have_an_end(fake: FakeRegistry) -> None:
    """All pages together, not each of them."""
    page = json.dumps({"manifests": [{"pad": "x" * (1 << 20)}]}).encode()
    headers = {"Content-Type": INDEX, "Link": '</v2/team/base/referrers/next>; rel="next"'}
    fake.instead = always((200, headers, page), "/referrers/")
    registry, reference = client(fake)
    assert refused(lambda: registry.referrers(reference.at(digest_of(RAW)))).reference == "registry-failed"
    assert len(fake.paths()) < 8
    fake.instead = always((200, headers | {"Link": '<http://[>; rel="next"'}, b'{"manifests":[]}'), "/referrers/")
    assert refused(lambda: registry.referrers(reference.at(digest_of(RAW)))).reference == "registry-failed"


def test_ranges_from_elsewhere_are_found_out(fake: FakeRegistry) -> None:
    """What a broken transfer is taken up with counts by the digest of the whole."""
    blob = random.Random(1).randbytes(1 << 20)
    digest = fake.blob(blob)

    def instead(method: str, path: str, times: int) -> Answer | None:
        if "/blobs/" not in path:
            return None
        if times == 0:
            return 200, {"Content-Length": str(len(blob))}, blob[: 1 << 19]
        return 206, {}, blob[: 1 << 19]

    fake.instead = instead
    registry, reference = client(fake)
    with pytest.raises(IntegrityError, match="digest-mismatch"):
        b"".join(registry.blob(reference, digest))


def test_a_proxy_gets_its_password_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in a header for the proxy alone, and in no error."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://{USER}:{PASSWORD}@127.0.0.1:9")
    hosts = Hosts({}, Path("/nonexistent"), offline=False)
    pool = hosts.pool("https://registry.example.com/v2/")
    assert isinstance(pool, urllib3.ProxyManager)
    assert [*pool.proxy_headers] == ["Proxy-Authorization"]
    assert pool.headers == {}
    assert str(pool.proxy) == "http://127.0.0.1:9"
    session = Session(credentials=lambda _: None, sleep=lambda _: None, daemon=Path("/nonexistent"), environment={})
    reference = Reference.parse("registry.example.com/team/base:1")
    assert refused(lambda: OciRegistry(session).manifest(reference)).reference == "registry-failed"
