"""Pulls from registries: authentication, mirrors, retries, and nothing believed but digests."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from envlock.adapters.registry import OciRegistry
from envlock.adapters.registry_auth import TOKEN_USER, Challenge, Credentials, challenges, docker_credentials
from envlock.adapters.registry_hosts import MIRRORS
from envlock.adapters.registry_session import Session
from envlock.errors import EnvlockError, IntegrityError, UsageError
from envlock.formats.oci import INDEX, MANIFEST, digest_of
from envlock.model.reference import Reference
from tests.unit.fake_registry import PASSWORD, USER, Answer, FakeRegistry, serving

RAW = b'{"schemaVersion":2}'
BLOB = bytes(range(256)) * 4096


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    registry = FakeRegistry()
    registry.add("team/base", "1", INDEX, RAW)
    registry.blob(BLOB)
    with serving(registry):
        yield registry


class Client:
    """A client with its waits and the registries that it sought credentials for."""

    def __init__(self, fake: FakeRegistry, credentials: Credentials | None = None, **options: object) -> None:
        self.waits: list[float] = []
        self.sought: list[str] = []

        def known(registry: str) -> Credentials | None:
            self.sought.append(registry)
            return credentials

        self.session = Session(
            credentials=known,
            sleep=self.waits.append,
            daemon=Path("/nonexistent"),
            **{"environment": {}, **options},  # type: ignore[arg-type]
        )
        self.registry = OciRegistry(self.session)
        self.reference = Reference.parse(f"{fake.address}/team/base:1")

    def manifest(self) -> tuple[bytes, str, str]:
        return self.registry.manifest(self.reference)

    def blob(self) -> bytes:
        return b"".join(self.registry.blob(self.reference, digest_of(BLOB)))


def test_a_tag_gives_bytes_type_and_digest(fake: FakeRegistry) -> None:
    """And a HEAD the digest alone; all four types of manifests are accepted."""
    client = Client(fake)
    assert client.manifest() == (RAW, INDEX, digest_of(RAW))
    assert client.registry.digest(client.reference) == digest_of(RAW)
    assert client.registry.manifest(client.reference.at(digest_of(RAW)))[0] == RAW
    assert fake.paths("HEAD") == ["/v2/team/base/manifests/1"]
    accepted = next(headers["Accept"] for method, path, headers in fake.asked if "manifests" in path)
    assert [part.partition("application/vnd.")[2][:3] for part in accepted.split(",")] == ["oci", "oci", "doc", "doc"]


def test_a_blob_is_streamed_and_checked(fake: FakeRegistry) -> None:
    """Its digest is judged at the end."""
    assert Client(fake).blob() == BLOB
    fake.blobs[digest_of(BLOB)] = BLOB[:-1] + b"!"
    with pytest.raises(IntegrityError, match="digest-mismatch"):
        Client(fake).blob()


def test_a_blob_that_breaks_off_is_taken_up_where_it_broke(fake: FakeRegistry) -> None:
    """By a range request; what came before is not asked for again."""

    def broken(method: str, path: str, times: int) -> Answer | None:
        half = len(BLOB) // 2
        return (200, {"Content-Length": str(len(BLOB))}, BLOB[:half]) if "/blobs/" in path and times == 0 else None

    fake.instead = broken
    assert Client(fake).blob() == BLOB
    ranges = [headers.get("Range") for _, path, headers in fake.asked if "/blobs/" in path]
    assert ranges == [None, f"bytes={len(BLOB) // 2}-"]


def test_manifests_with_other_bytes_are_refused(fake: FakeRegistry) -> None:
    """Under a digest, and where the registry's own header contradicts what it sent."""
    client = Client(fake)
    fake.manifests[("team/base", digest_of(RAW))] = (INDEX, RAW + b" ")
    with pytest.raises(IntegrityError, match="digest-mismatch") as caught:
        client.registry.manifest(client.reference.at(digest_of(RAW)))
    assert caught.value.expected == digest_of(RAW)
    fake.instead = lambda method, path, times: (
        (200, {"Content-Type": MANIFEST, "Docker-Content-Digest": "sha256:" + "0" * 64}, RAW)
        if "manifests" in path
        else None
    )
    with pytest.raises(IntegrityError, match="digest-mismatch"):
        client.manifest()


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_credentials_are_given_when_they_are_asked_for(fake: FakeRegistry, auth: str) -> None:
    """Basic or by a token, which is asked for once and used for all that follows."""
    fake.auth = auth
    client = Client(fake, Credentials(user=USER, secret=PASSWORD))
    assert client.manifest()[0] == RAW
    assert client.blob() == BLOB
    assert set(client.sought) == {fake.address}
    assert fake.tokens == (auth == "bearer")
    if auth == "bearer":
        assert "scope=repository%3Ateam%2Fbase%3Apull" in next(path for path in fake.paths() if "/token" in path)
        assert "service=fake" in next(path for path in fake.paths() if "/token" in path)


def test_a_refresh_token_is_exchanged(fake: FakeRegistry) -> None:
    """What `docker login` keeps as an identity token goes into a form, never into a URL (OAuth2)."""
    fake.auth = "bearer"
    client = Client(fake, Credentials(user=TOKEN_USER, secret="refresh"))
    assert client.manifest()[0] == RAW
    assert not any("refresh" in path for path in fake.paths())


def test_an_expired_token_is_renewed(fake: FakeRegistry) -> None:
    """Once for each request; a registry that refuses the new one too is said."""
    fake.auth = "bearer"
    client = Client(fake, Credentials(user=USER, secret=PASSWORD))
    client.manifest()
    fake.valid = {}
    assert client.manifest()[0] == RAW
    assert fake.tokens == 2
    fake.instead = lambda method, path, times: (
        (401, {"WWW-Authenticate": f'Bearer realm="http://{fake.address}/token"'}, b"") if "manifests" in path else None
    )
    with pytest.raises(UsageError, match="registry-denied"):
        client.manifest()


@pytest.mark.parametrize("auth", ["basic", "bearer"])
@pytest.mark.parametrize("credentials", [None, Credentials(user=USER, secret="wrong-word")])
def test_a_registry_that_does_not_let_us_in_is_said(
    fake: FakeRegistry, auth: str, credentials: Credentials | None
) -> None:
    """With the command that mends it, and without what was given."""
    fake.auth = auth
    with pytest.raises(UsageError, match="registry-denied") as caught:
        Client(fake, credentials).manifest()
    assert f"docker login {fake.address}" in caught.value.hint
    assert "wrong-word" not in str(caught.value)
    assert "wrong-word" not in repr(credentials)


def test_credentials_never_cross_hosts(fake: FakeRegistry) -> None:
    """A redirect to where the blobs are is followed, and nothing is told there."""
    store = FakeRegistry()
    store.blob(BLOB)
    fake.auth = "basic"
    with serving(store):
        target = f"http://{store.address}/v2/x/blobs/{digest_of(BLOB)}"
        plain = fake.answer

        def answer(method: str, path: str, headers: object, body: bytes) -> Answer:
            found = plain(method, path, headers, body)  # type: ignore[arg-type]
            return (307, {"Location": target}, b"") if "/blobs/" in path and found[0] == 200 else found

        fake.answer = answer  # type: ignore[method-assign]
        assert Client(fake, Credentials(user=USER, secret=PASSWORD)).blob() == BLOB
    assert all("Authorization" not in headers for _, _, headers in store.asked)
    assert any("Authorization" in headers for _, _, headers in fake.asked)


@pytest.mark.parametrize("location", ["http://registry.example.com/x", "ftp://registry.example.com/x"])
def test_a_redirect_to_a_place_without_tls_is_not_followed(fake: FakeRegistry, location: str) -> None:
    """Except on this machine."""
    fake.instead = lambda method, path, times: (302, {"Location": location}, b"") if "manifests" in path else None
    with pytest.raises(UsageError, match="registry-failed"):
        Client(fake).manifest()


def test_a_token_server_without_tls_gets_no_credentials(fake: FakeRegistry) -> None:
    """Whatever a registry names."""
    fake.instead = lambda method, path, times: (
        (401, {"WWW-Authenticate": 'Bearer realm="http://auth.example.com/token"'}, b"")
        if "manifests" in path
        else None
    )
    with pytest.raises(UsageError, match="registry-failed"):
        Client(fake, Credentials(user=USER, secret=PASSWORD)).manifest()


def test_what_is_transient_is_asked_again_when_the_registry_says(fake: FakeRegistry) -> None:
    """Retry-After where it is given, longer and longer else; not more than five times."""
    answers = [(429, {"Retry-After": "7"}, b""), (503, {}, b""), (500, {}, b"")]
    fake.instead = lambda method, path, times: answers[times] if "manifests" in path and times < len(answers) else None
    client = Client(fake)
    assert client.manifest()[0] == RAW
    assert client.waits == [7, 1, 2]
    fake.instead = lambda method, path, times: (503, {}, b"") if "manifests" in path else None
    with pytest.raises(UsageError, match="registry-failed") as caught:
        Client(fake).manifest()
    assert "503" in caught.value.found


def test_a_registry_that_asks_for_too_long_a_wait_is_said(fake: FakeRegistry) -> None:
    """Rather than sat out."""
    fake.instead = lambda method, path, times: (429, {"Retry-After": "3600"}, b"") if "manifests" in path else None
    client = Client(fake)
    with pytest.raises(UsageError, match="registry-failed") as caught:
        client.manifest()
    assert "3600" in caught.value.found
    assert client.waits == []


def test_a_missing_image_is_said(fake: FakeRegistry) -> None:
    """By its reference."""
    client = Client(fake)
    with pytest.raises(UsageError, match="no-image") as caught:
        client.registry.manifest(Reference.parse(f"{fake.address}/team/other:2"))
    assert caught.value.where == f"{fake.address}/team/other:2"
    with pytest.raises(UsageError, match="no-blob"):
        list(client.registry.blob(client.reference, "sha256:" + "0" * 64))


def test_what_is_no_manifest_is_said(fake: FakeRegistry) -> None:
    """A web page, or an image of the old schema."""
    for media_type in ("text/html; charset=utf-8", "application/vnd.docker.distribution.manifest.v1+prettyjws"):
        fake.add("team/base", "1", media_type, b"<html>")
        with pytest.raises(UsageError, match="not-a-manifest"):
            Client(fake).manifest()


def test_a_registry_that_is_not_there_is_said(fake: FakeRegistry) -> None:
    """With the reason, and without the address of an object."""
    client = Client(fake)
    gone = Reference.parse("127.0.0.1:9/team/base:1")
    with pytest.raises(UsageError, match="registry-failed") as caught:
        client.registry.manifest(gone)
    assert "0x" not in str(caught.value)


def test_offline_asks_nobody(fake: FakeRegistry) -> None:
    """Not even whether a registry is there."""
    with pytest.raises(UsageError, match="offline"):
        Client(fake, offline=True).manifest()
    assert fake.asked == []


def test_a_mirror_is_asked_first_and_with_its_own_credentials(fake: FakeRegistry) -> None:
    """The registry itself is asked where the mirror does not have it."""
    fake.auth = "basic"
    environment = {MIRRORS: f"docker.example.com={fake.address}, other.example.com=unused.example.com"}
    client = Client(fake, Credentials(user=USER, secret=PASSWORD), environment=environment)
    reference = Reference.parse("docker.example.com/team/base:1")
    assert client.registry.manifest(reference)[0] == RAW
    assert b"".join(client.registry.blob(reference, digest_of(BLOB))) == BLOB
    assert set(client.sought) == {fake.address}
    empty = FakeRegistry()
    with serving(empty):
        mirrored = Client(fake, Credentials(user=USER, secret=PASSWORD),
                          environment={MIRRORS: f"{fake.address}={empty.address}"})  # fmt: skip
        assert mirrored.manifest()[0] == RAW
        assert mirrored.blob() == BLOB
        assert empty.paths("GET")


def test_the_engines_mirrors_stand_for_dockers_registry(fake: FakeRegistry, tmp_path: Path) -> None:
    """Those with TLS; none for another registry."""
    daemon = tmp_path / "daemon.json"
    daemon.write_text(json.dumps({"registry-mirrors": ["https://mirror.example.com/", "http://plain.example.com"]}))
    session = Session(environment={}, daemon=daemon)
    assert [host for host, _ in session.hosts.roots("")] == ["mirror.example.com", ""]
    assert list(session.hosts.roots("registry.example.com")) == [
        ("registry.example.com", "https://registry.example.com")
    ]


@pytest.mark.parametrize("value", ["docker.example.com", "a=https://b.example.com", "a=ana:word@b.example.com"])
def test_a_mirror_that_cannot_be_read_is_said(fake: FakeRegistry, value: str) -> None:
    """Without what looks like a password."""
    with pytest.raises(UsageError, match="bad-registry-mirror") as caught:
        Client(fake, environment={MIRRORS: value}).manifest()
    assert "word" not in caught.value.found


def test_challenges_are_told_apart() -> None:
    """Several in one header, quoted commas, names in any case; nonsense is passed over."""
    assert challenges(['Bearer Realm="https://a/t?x=1,2",service="s", Basic realm="r \\"q\\""', "Negotiate"]) == [
        Challenge("bearer", {"realm": "https://a/t?x=1,2", "service": "s"}),
        Challenge("basic", {"realm": 'r "q"'}),
        Challenge("negotiate", {}),
    ]
    assert challenges(["", "="]) == []


def test_docker_s_configuration_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries of its own, identity tokens, and a helper for one registry, which is run."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert docker_credentials("a.example.com") is None
    helper = tmp_path / "docker-credential-fake"
    helper.write_text('#!/bin/sh\nread host\necho "{\\"Username\\": \\"$host\\", \\"Secret\\": \\"from-helper\\"}"\n')
    helper.chmod(0o755)
    broken = tmp_path / "docker-credential-broken"
    broken.write_text("#!/bin/sh\necho secret-in-error >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    auths = {"a.example.com": {"auth": auth}, "b.example.com": {"auth": "", "identitytoken": "refresh"}}
    helpers = {"c.example.com": "fake", "d.example.com": "broken"}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths, "credHelpers": helpers}))
    assert docker_credentials("a.example.com") == Credentials(user=USER, secret=PASSWORD)
    refresh = docker_credentials("b.example.com")
    assert refresh is not None and refresh.refreshes and refresh.secret == "refresh"
    assert docker_credentials("c.example.com") == Credentials(user="c.example.com", secret="from-helper")
    assert docker_credentials("e.example.com") is None
    with pytest.raises(UsageError, match="credential-helper-failed") as caught:
        docker_credentials("d.example.com")
    assert "secret-in-error" not in str(caught.value)
    for text in ('{"auths": {"a.example.com": {"auth": "%%%"}}}', '{"auths":', "[]"):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(EnvlockError, match="bad-docker-config"):
            docker_credentials("a.example.com")


def test_a_helper_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, and by us alone."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text('{"credHelpers": {"a.example.com": "nowhere"}}')
    with pytest.raises(UsageError, match="docker-credential-nowhere is not on PATH"):
        docker_credentials("a.example.com")


def test_tags_are_listed_page_by_page(fake: FakeRegistry) -> None:
    """Sorted; a repository that is not there has none, nor one whose list is null."""
    pages = {
        "/v2/team/base/tags/list?n=1000": ({"Link": '</v2/team/base/tags/list?n=1000&last=b>; rel="next"'}, ["b", "a"]),
        "/v2/team/base/tags/list?n=1000&last=b": ({}, ["c"]),
        "/v2/team/empty/tags/list?n=1000": ({}, None),
    }

    def instead(method: str, path: str, times: int) -> Answer | None:
        if path not in pages:
            return None
        headers, tags = pages[path]
        return 200, headers, json.dumps({"name": "x", "tags": tags}).encode()

    fake.instead = instead
    client = Client(fake)
    assert client.registry.tags_of(client.reference) == ("a", "b", "c")
    for name in ("empty", "nothing"):
        assert client.registry.tags_of(Reference.parse(f"{fake.address}/team/{name}")) == ()


@pytest.mark.parametrize(
    ("answer", "reference"),
    [
        ((403, {}, b""), "registry-denied"),
        ((500, {}, b""), "registry-failed"),
        ((200, {}, b"[1]"), "registry-failed"),
        ((200, {}, b'{"tags": [1]}'), "registry-failed"),
        ((200, {"Link": '</v2/team/base/tags/list>; rel="next"'}, b'{"tags": []}'), "registry-failed"),
        ((200, {"Link": '<http://[>; rel="next"'}, b'{"tags": []}'), "registry-failed"),
    ],
)
def test_tags_that_cannot_be_listed(fake: FakeRegistry, answer: Answer, reference: str) -> None:
    """Refused, failed, no list, and a list without an end."""
    fake.instead = lambda method, path, times: answer if "/tags/list" in path else None
    client = Client(fake)
    with pytest.raises(UsageError) as caught:
        client.registry.tags_of(client.reference)
    assert caught.value.reference == reference
