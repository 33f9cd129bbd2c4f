"""Pushes to registries: mounts, uploads in every way that registries know, manifests, referrers, scopes of tokens."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

from envlock.adapters.registry import OciRegistry
from envlock.adapters.registry_auth import TOKEN_USER, Credentials
from envlock.adapters.registry_hosts import Hosts
from envlock.adapters.registry_session import Session
from envlock.errors import IntegrityError, UsageError
from envlock.formats.oci import INDEX, MANIFEST, canonical_json, digest_of
from envlock.model.reference import Reference
from tests.unit.fake_registry import PASSWORD, USER, Answer, FakeRegistry, error, serving

BLOB = bytes(range(256)) * 40_000
DIGEST = digest_of(BLOB)
MANIFEST_RAW = canonical_json({"schemaVersion": 2, "mediaType": MANIFEST, "config": {}, "layers": []})
ANA = Credentials(user=USER, secret=PASSWORD)


@pytest.fixture
def fake() -> Iterator[FakeRegistry]:
    registry = FakeRegistry()
    with serving(registry):
        yield registry


class Client:
    """A client, its waits, and what it was asked for of a blob."""

    def __init__(self, fake: FakeRegistry, credentials: Credentials | None = None, **options: object) -> None:
        self.waits: list[float] = []
        self.read = 0
        self.registry = OciRegistry(
            Session(
                credentials=lambda _: credentials,
                sleep=self.waits.append,
                daemon=Path("/nonexistent/daemon.json"),
                environment={},
                **options,  # type: ignore[arg-type]
            )
        )
        self.reference = Reference.parse(f"{fake.address}/team/churn:v1")
        self.other = Reference.parse(f"{fake.address}/team/base:v1")

    def chunks(self) -> Iterator[bytes]:
        self.read += 1
        for start in range(0, len(BLOB), 1_000_000):
            yield BLOB[start : start + 1_000_000]

    def upload(self) -> None:
        self.registry.upload(self.reference, DIGEST, len(BLOB), self.chunks)


def sent(fake: FakeRegistry) -> list[str]:
    """Return the methods of uploads."""
    return [method for method, path, _ in fake.asked if "/uploads/" in path]


def referrer(subject: str, kind: str = "application/vnd.in-toto+json", **more: object) -> bytes:
    """Return a manifest that refers to a digest."""
    about = {"mediaType": INDEX, "digest": subject, "size": 2}
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": {}, "layers": []}
    return canonical_json({**document, "subject": about, **more})


@pytest.mark.parametrize("relative", [False, True])
def test_a_blob_goes_in_one_request(fake: FakeRegistry, relative: bool) -> None:
    """With its length, to the place that the registry names, whose query stays."""
    fake.relative = relative
    client = Client(fake)
    assert not client.registry.has_blob(client.reference, DIGEST)
    client.upload()
    assert fake.blobs[DIGEST] == BLOB
    assert client.registry.has_blob(client.reference, DIGEST)
    assert sent(fake) == ["POST", "PUT"]
    _, path, headers = next(one for one in fake.asked if one[0] == "PUT")
    assert unquote(path).endswith(f"?_state=a/b&digest={DIGEST}")
    assert headers["Content-Length"] == str(len(BLOB))
    assert "Transfer-Encoding" not in headers


def test_an_empty_blob_goes_too(fake: FakeRegistry) -> None:
    """In each of the ways."""
    for whole, needs_range in ((True, False), (False, False), (False, True)):
        fake.whole, fake.needs_range = whole, needs_range
        client = Client(fake)
        client.registry.upload(client.reference, digest_of(b""), 0, lambda: iter(()))
        assert fake.blobs.pop(digest_of(b"")) == b""


@pytest.mark.parametrize("patched", [202, 201, 204])
def test_a_registry_without_the_one_request_gets_a_patch(fake: FakeRegistry, patched: int) -> None:
    """As docker sends it, whatever it answers; what was learnt serves the next blob."""
    fake.whole, fake.patched = False, patched
    client = Client(fake)
    client.upload()
    assert fake.blobs[DIGEST] == BLOB
    assert sent(fake) == ["POST", "PUT", "POST", "PATCH", "PUT"]
    small = b"another"
    client.registry.upload(client.reference, digest_of(small), len(small), lambda: iter([small]))
    assert sent(fake)[5:] == ["POST", "PATCH", "PUT"]


@pytest.mark.parametrize("piece", [0, 5 << 20])
def test_a_registry_of_short_requests_gets_pieces(fake: FakeRegistry, piece: int) -> None:
    """Of 4 MiB, or more where it asks for more, in order."""
    length = piece or 4 << 20
    fake.whole, fake.patch_limit, fake.min_piece = False, length, piece
    client = Client(fake)
    client.upload()
    assert fake.blobs[DIGEST] == BLOB
    ranges = [headers["Content-Range"] for _, _, headers in fake.asked if "Content-Range" in headers]
    starts = range(0, len(BLOB), length)
    assert ranges == [f"{start}-{min(start + length, len(BLOB)) - 1}" for start in starts]


def test_pieces_that_no_memory_should_hold_are_refused(fake: FakeRegistry) -> None:
    """A registry that asks for them is said."""
    fake.whole, fake.needs_range, fake.min_piece = False, True, 1 << 40
    with pytest.raises(UsageError, match="upload-refused") as caught:
        Client(fake).upload()
    assert "pieces of" in caught.value.found


def test_a_blob_of_the_same_registry_is_mounted(fake: FakeRegistry) -> None:
    """Nothing of it is sent."""
    fake.blob(BLOB)
    fake.in_repository = {"team/base": {DIGEST}}
    client = Client(fake)
    assert not client.registry.has_blob(client.reference, DIGEST)
    assert client.registry.mount(client.reference, DIGEST, client.other)
    assert client.registry.has_blob(client.reference, DIGEST)
    assert fake.received == 0


def test_a_missed_mount_opens_the_upload(fake: FakeRegistry) -> None:
    """Its session serves; one that has expired is replaced."""
    client = Client(fake)
    assert not client.registry.mount(client.reference, DIGEST, client.other)
    client.upload()
    assert sent(fake) == ["POST", "PUT"]
    fake.asked.clear()
    fake.blobs.clear()
    assert not client.registry.mount(client.reference, DIGEST, client.other)
    fake.sessions.clear()
    client.upload()
    assert sent(fake)[:2] == ["POST", "PUT"]
    assert sent(fake)[2:] == ["POST", "PUT"]


def test_nothing_is_mounted_from_elsewhere(fake: FakeRegistry) -> None:
    """Other registries are not even asked."""
    client = Client(fake)
    assert not client.registry.mount(client.reference, DIGEST, Reference.parse("registry.example.com/team/base"))
    assert fake.asked == []


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_a_registry_that_mounts_nothing_is_no_error(fake: FakeRegistry, status: int) -> None:
    """Whatever it answers."""
    fake.instead = lambda method, path, times: error(status, "UNSUPPORTED") if "mount=" in path else None
    client = Client(fake)
    assert not client.registry.mount(client.reference, DIGEST, client.other)
    client.upload()


def test_a_registry_in_trouble_is_one(fake: FakeRegistry) -> None:
    """A mount that fails for another reason is asked again, then said."""
    fake.instead = lambda method, path, times: error(503, "UNAVAILABLE") if "mount=" in path else None
    client = Client(fake)
    with pytest.raises(UsageError, match="registry-failed") as caught:
        client.registry.mount(client.reference, DIGEST, client.other)
    assert caught.value.found == "503 UNAVAILABLE"
    assert client.waits == [0.5, 1, 2, 4]


def test_one_token_covers_a_mount_and_what_follows(fake: FakeRegistry) -> None:
    """It is asked for with both repositories, and used for all that it covers."""
    fake.auth = "bearer"
    fake.blob(BLOB)
    client = Client(fake, ANA)
    assert not client.registry.mount(client.reference, digest_of(b"x"), client.other)
    assert client.registry.has_blob(client.reference, DIGEST)
    client.upload()
    client.registry.put_manifest(client.reference, MANIFEST_RAW, MANIFEST)
    assert fake.tokens == 1
    asked = unquote(next(path for path in fake.paths() if path.startswith("/token")))
    assert "scope=repository:team/churn:pull,push&scope=repository:team/base:pull" in asked


def test_a_refresh_token_asks_for_several_scopes_at_once(fake: FakeRegistry) -> None:
    """In one form."""
    fake.auth = "bearer"
    fake.blob(BLOB)
    client = Client(fake, Credentials(user=TOKEN_USER, secret="refresh"))
    assert client.registry.mount(client.reference, DIGEST, client.other)
    assert fake.tokens == 1


def test_a_repository_that_may_not_be_read_is_not_mounted_from(fake: FakeRegistry) -> None:
    """The upload goes on with a token for its own repository."""
    fake.auth = "bearer"
    fake.refused_scopes = {"repository:team/base:pull"}
    client = Client(fake, ANA)
    assert not client.registry.mount(client.reference, DIGEST, client.other)
    client.upload()
    assert fake.blobs[DIGEST] == BLOB


def test_threads_share_a_token(fake: FakeRegistry) -> None:
    """Those that are refused together ask for one."""
    fake.auth = "bearer"
    client = Client(fake, ANA)
    threads = [
        threading.Thread(target=client.registry.has_blob, args=(client.reference, DIGEST), daemon=True)
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert fake.tokens == 1


def test_a_password_is_offered_once(fake: FakeRegistry) -> None:
    """Basic covers every repository of its host: later requests bear it from the start."""
    fake.auth = "basic"
    client = Client(fake, ANA)
    client.registry.has_blob(client.reference, DIGEST)
    client.registry.mount(client.reference, DIGEST, client.other)
    client.upload()
    without = [path for method, path, headers in fake.asked if "Authorization" not in headers]
    assert len(without) == 2  # whether it speaks plain HTTP, and the first request


def test_a_token_that_expires_within_a_push_is_renewed(fake: FakeRegistry) -> None:
    """Also before a PUT, whose bytes are then sent again from the start."""
    fake.auth = "bearer"
    client = Client(fake, ANA)
    assert not client.registry.mount(client.reference, DIGEST, client.other)
    fake.valid = {}
    client.upload()
    assert fake.blobs[DIGEST] == BLOB
    assert client.read == 2


def test_uploads_elsewhere_get_no_credentials(fake: FakeRegistry) -> None:
    """A Location on another host is used, and told nothing; nor is a place that a 307 names."""
    fake.auth = "basic"
    store = FakeRegistry()
    with serving(store):
        for redirected in (False, True):
            fake.uploads_at = "" if redirected else f"http://{store.address}"

            def elsewhere(method: str, path: str, times: int, redirected: bool = redirected) -> Answer | None:
                go = redirected and method == "PUT"
                return (307, {"Location": f"http://{store.address}{path}"}, b"") if go else None

            fake.instead = elsewhere
            store.sessions = {f"session-{len(fake.sessions)}": b""}
            Client(fake, ANA).upload()
            assert store.blobs.pop(DIGEST) == BLOB
    assert all("Authorization" not in headers for _, _, headers in store.asked)
    assert any("Authorization" in headers for _, _, headers in fake.asked)


@pytest.mark.parametrize("location", ["http://registry.example.com/x", "ftp://registry.example.com/x"])
def test_no_layer_goes_to_a_place_without_tls(fake: FakeRegistry, location: str) -> None:
    """Whatever the registry names."""
    fake.instead = lambda method, path, times: (202, {"Location": location}, b"") if method == "POST" else None
    with pytest.raises(UsageError, match="registry-failed") as caught:
        Client(fake).upload()
    assert "without TLS" in caught.value.found


def test_a_broken_upload_begins_anew(fake: FakeRegistry) -> None:
    """With a session of its own: what the old one holds is not known. Retry-After is kept to."""
    answers = {0: error(500, "UNKNOWN"), 1: (429, {"Retry-After": "3"}, b"")}
    puts: list[str] = []

    def unwell(method: str, path: str, times: int) -> Answer | None:
        if method != "PUT":
            return None
        puts.append(path.partition("?")[0])
        return answers.get(len(puts) - 1)

    fake.instead = unwell
    client = Client(fake)
    client.upload()
    assert fake.blobs[DIGEST] == BLOB
    assert client.waits == [0.5, 3]
    assert len(set(puts)) == 3


def test_a_registry_that_never_gets_well_is_said(fake: FakeRegistry) -> None:
    """By its own code, without what it repeats of the request."""
    said = "try https://ana:word@registry.example.com/x?sig=word with Bearer word or Basic word"
    fake.instead = lambda method, path, times: error(503, "UNAVAILABLE", said) if method == "PUT" else None
    client = Client(fake)
    with pytest.raises(UsageError, match="upload-refused") as caught:
        client.upload()
    assert caught.value.found.startswith("503 UNAVAILABLE: try ")
    assert "word" not in str(caught.value)
    assert client.waits == [0.5, 1, 2, 4]
    assert "later" in caught.value.hint


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (error(413, "SIZE"), "client_max_body_size"),
        (error(405, "UNSUPPORTED"), "mirrors"),
        (error(404, "NAME_UNKNOWN"), "Create the repository"),
        (error(422, "ODD"), "another one"),
    ],
)
def test_a_refused_upload_names_the_way_out(fake: FakeRegistry, answer: Answer, hint: str) -> None:
    """By status and code."""
    fake.instead = lambda method, path, times: answer if method in ("PUT", "PATCH") else None
    with pytest.raises(UsageError, match="upload-refused") as caught:
        Client(fake).upload()
    assert hint in caught.value.hint
    fake.instead = lambda method, path, times: answer if method == "POST" else None
    with pytest.raises(UsageError, match="upload-refused") as caught:
        Client(fake).upload()
    assert hint in caught.value.hint


def test_a_registry_that_found_other_bytes_is_an_integrity_error(fake: FakeRegistry) -> None:
    """Whether it refuses them or names them; nothing is served under the digest."""
    client = Client(fake)
    with pytest.raises(IntegrityError, match="digest-mismatch") as caught:
        client.registry.upload(client.reference, DIGEST, len(BLOB), lambda: iter([BLOB[:-1] + b"!"]))
    assert "DIGEST_INVALID" in caught.value.found
    assert DIGEST not in fake.blobs
    lie = {"Docker-Content-Digest": digest_of(b"other")}
    fake.instead = lambda method, path, times: (201, lie, b"") if method == "PUT" else None
    with pytest.raises(IntegrityError, match="digest-mismatch"):
        client.upload()
    with pytest.raises(IntegrityError, match="digest-mismatch"):
        client.registry.put_manifest(client.reference, MANIFEST_RAW, MANIFEST)
    with pytest.raises(IntegrityError, match="digest-mismatch"):
        client.registry.put_manifest(client.reference.at(DIGEST), MANIFEST_RAW, MANIFEST)


@pytest.mark.parametrize("chunks", [[BLOB[:-1]], [BLOB, b"!"], []])
def test_bytes_of_another_size_are_an_integrity_error(fake: FakeRegistry, chunks: list[bytes]) -> None:
    """Told at once, without waiting for a registry that waits for the rest."""
    client = Client(fake)
    with pytest.raises(IntegrityError, match="digest-mismatch"):
        client.registry.upload(client.reference, DIGEST, len(BLOB), lambda: iter(chunks))
    assert DIGEST not in fake.blobs


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_a_push_that_is_not_allowed_is_said(fake: FakeRegistry, auth: str) -> None:
    """With the command that logs in, and without what was given."""
    fake.auth = auth
    fake.refused_scopes = {"repository:team/churn:push"}
    credentials = ANA if auth == "bearer" else Credentials(user=USER, secret="wrong-word")
    pushes: list[Callable[[Client], None]] = [
        lambda client: client.upload(),
        lambda client: client.registry.put_manifest(client.reference, MANIFEST_RAW, MANIFEST),
    ]
    for push in pushes:
        with pytest.raises(UsageError, match="registry-denied") as caught:
            push(Client(fake, credentials))
        assert f"docker login {fake.address}" in caught.value.hint
        assert credentials.secret not in str(caught.value)


def test_find_asks_with_head(fake: FakeRegistry) -> None:
    """None where there is no such tag or repository; registries without the header are asked for the bytes."""
    client = Client(fake)
    assert client.registry.find(client.reference) is None
    client.registry.put_manifest(client.reference, MANIFEST_RAW, MANIFEST)
    assert client.registry.find(client.reference) == digest_of(MANIFEST_RAW)
    assert client.registry.find(client.reference.at(digest_of(b"none"))) is None
    assert client.registry.manifest(client.reference) == (MANIFEST_RAW, MANIFEST, digest_of(MANIFEST_RAW))
    assert len(fake.paths("GET")) == 2  # whether it speaks plain HTTP, and the manifest
    fake.instead = lambda method, path, times: (200, {}, b"") if method == "HEAD" else None
    assert client.registry.find(client.reference) == digest_of(MANIFEST_RAW)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (error(400, "MANIFEST_BLOB_UNKNOWN"), "run the command again"),
        (error(400, "MANIFEST_INVALID"), INDEX),
        (error(415, "UNSUPPORTED"), "no pushes"),
        (error(400, "TAG_INVALID", "tag is immutable"), "another one with -t"),
        (error(404, "NAME_UNKNOWN"), "Create the repository"),
        (error(422, "ODD"), "push to another one"),
        (error(413, "SIZE"), "client_max_body_size"),
    ],
)
def test_a_refused_manifest_names_the_way_out(fake: FakeRegistry, answer: Answer, hint: str) -> None:
    """By status and code."""
    fake.instead = lambda method, path, times: answer if method == "PUT" else None
    client = Client(fake)
    with pytest.raises(UsageError, match="manifest-refused") as caught:
        client.registry.put_manifest(client.reference, MANIFEST_RAW, INDEX)
    assert hint in caught.value.hint
    assert caught.value.found.startswith(f"{answer[0]} ")


def test_referrers_are_the_registry_s_to_list(fake: FakeRegistry) -> None:
    """Where it knows of them no tag is written."""
    fake.has_referrers = True
    client = Client(fake)
    subject = digest_of(MANIFEST_RAW)
    listed = client.reference.at(subject)
    for kind in ("a/one", "a/two"):
        raw = referrer(subject, kind)
        client.registry.put_manifest(client.reference.at(digest_of(raw)), raw, MANIFEST)
    assert not any("sha256-" in path for path in fake.paths())
    found = json.loads(client.registry.referrers(listed))["manifests"]
    assert [each["digest"] for each in found] == [digest_of(referrer(subject, kind)) for kind in ("a/one", "a/two")]


def test_referrers_come_in_pages(fake: FakeRegistry) -> None:
    """Which are followed to the last."""
    page = {"schemaVersion": 2, "mediaType": INDEX}

    def pages(method: str, path: str, times: int) -> Answer | None:
        if "/referrers/" not in path:
            return None
        first = "last=" not in path
        headers = {"Content-Type": INDEX} | (
            {"Link": '</v2/team/churn/referrers/x?last=1>; rel="next"'} if first else {}
        )
        return 200, headers, json.dumps(page | {"manifests": [{"digest": "1" if first else "2"}]}).encode()

    fake.instead = pages
    client = Client(fake)
    found = json.loads(client.registry.referrers(client.reference.at(DIGEST)))["manifests"]
    assert [one["digest"] for one in found] == ["1", "2"]


def test_referrers_are_kept_under_a_tag_elsewhere(fake: FakeRegistry) -> None:
    """Canonical, each once, with its type and annotations; what others listed stays as it was."""
    client = Client(fake)
    subject = digest_of(MANIFEST_RAW)
    tag = subject.replace(":", "-")
    foreign = {"mediaType": MANIFEST, "digest": digest_of(b"f"), "size": 1, "data": "Zg==", "artifactType": "b/f"}
    kept = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [foreign], "annotations": {"kept": "yes"}}
    fake.add("team/churn", tag, INDEX, json.dumps(kept).encode())
    one = referrer(subject, "a/one", annotations={"org.example": "1"})
    two = canonical_json({**json.loads(referrer(subject)), "artifactType": None, "config": {"mediaType": "a/config"}})
    for raw in (one, two, one):
        client.registry.put_manifest(client.reference.at(digest_of(raw)), raw, MANIFEST)
    entries = [
        foreign,
        {"mediaType": MANIFEST, "digest": digest_of(one), "size": len(one), "artifactType": "a/one",
         "annotations": {"org.example": "1"}},
        {"mediaType": MANIFEST, "digest": digest_of(two), "size": len(two), "artifactType": "a/config"},
    ]  # fmt: skip
    assert fake.manifests[("team/churn", tag)] == (INDEX, canonical_json({**kept, "manifests": entries}))
    listed = client.reference.at(subject)
    assert json.loads(client.registry.referrers(listed))["manifests"] == entries
    assert json.loads(client.registry.referrers(client.reference.at(DIGEST)))["manifests"] == []


def test_a_list_that_others_write_meanwhile_loses_nobody(fake: FakeRegistry) -> None:
    """It is read again after it was written."""
    client = Client(fake)
    subject = digest_of(MANIFEST_RAW)
    tag = subject.replace(":", "-")
    theirs = {"mediaType": MANIFEST, "digest": digest_of(b"f"), "size": 1}
    raced: list[str] = []

    def race(method: str, path: str, times: int) -> Answer | None:
        if method == "PUT" and path.endswith(tag) and not raced:
            raced.append(path)
            index = canonical_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [theirs]})
            fake.add("team/churn", tag, INDEX, index)
            return 201, {}, b""
        return None

    fake.instead = race
    raw = referrer(subject)
    client.registry.put_manifest(client.reference.at(digest_of(raw)), raw, MANIFEST)
    found = json.loads(client.registry.referrers(client.reference.at(subject)))["manifests"]
    assert [one["digest"] for one in found] == [digest_of(b"f"), digest_of(raw)]


def test_a_tag_that_is_no_list_stays(fake: FakeRegistry) -> None:
    """It is said, not overwritten."""
    client = Client(fake)
    subject = digest_of(MANIFEST_RAW)
    fake.add("team/churn", subject.replace(":", "-"), MANIFEST, MANIFEST_RAW)
    raw = referrer(subject)
    with pytest.raises(UsageError, match="manifest-refused"):
        client.registry.put_manifest(client.reference.at(digest_of(raw)), raw, MANIFEST)
    fake.add("team/churn", subject.replace(":", "-"), INDEX, b'{"manifests": 1}')
    with pytest.raises(UsageError, match="registry-failed"):
        client.registry.put_manifest(client.reference.at(digest_of(raw)), raw, MANIFEST)


def test_certificates_of_the_engine_are_trusted_for_their_host(tmp_path: Path) -> None:
    """`certs.d/<host>/*.crt` beside the Engine's configuration; a file that holds none is said."""
    folder = tmp_path / "certs.d" / "registry.example.com:5000"
    folder.mkdir(parents=True)
    hosts = Hosts({}, tmp_path / "daemon.json", offline=False)
    plain = hosts.pool("https://registry.example.com/v2/")
    (folder / "ca.crt").write_text("none")
    assert hosts.pool("https://registry.example.com/v2/") is plain
    with pytest.raises(UsageError, match="bad-certificates"):
        hosts.pool("https://registry.example.com:5000/v2/")
