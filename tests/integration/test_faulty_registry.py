"""Pushes and pulls through a registry that misbehaves: they end right or say why, and no credential crosses hosts."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from envlock.adapters.registry import OciRegistry
from envlock.adapters.registry_auth import Credentials
from envlock.adapters.registry_session import Session
from envlock.errors import EnvlockError, IntegrityError, UsageError
from envlock.formats.oci import Layout, digest_of
from envlock.model.reference import Reference
from tests.integration.faulty_proxy import Damage, Fault, FaultyProxy, proxying
from tests.integration.project import Project
from tests.integration.registry_server import PASSWORD, USER, Server, serving
from tests.integration.test_registry_push import put_image


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A registry that behaves."""
    with serving(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def proxy(server: Server) -> Iterator[FaultyProxy]:
    """What stands before it."""
    standing = FaultyProxy(server.address)
    with proxying(standing):
        yield standing


@pytest.fixture
def layer() -> bytes:
    """A layer that no registry has yet."""
    return os.urandom(3 << 20)


def client(waits: list[float] | None = None) -> OciRegistry:
    """Return a client that does not really wait."""
    wait = waits if waits is not None else []
    return OciRegistry(
        Session(
            environment={},
            daemon=Path("/nonexistent/daemon.json"),
            credentials=lambda _: Credentials(user=USER, secret=PASSWORD),
            sleep=wait.append,
        )
    )


def at(address: str) -> Reference:
    """Return the image of these tests at a registry or a proxy of it."""
    return Reference.parse(f"{address}/team/faulty:v1")


def is_there(server: Server, digest: str, layer: bytes) -> bool:
    """Tell whether the registry itself serves this image with this layer, and nothing that is not what it is called."""
    for path in server.blobs.glob("*/*/data"):
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.parent.name
    registry = client()
    if registry.find(at(server.address)) != digest:
        return False
    return b"".join(registry.blob(at(server.address), digest_of(layer))) == layer


def stale(method: str, path: str, times: int) -> bool:
    """Tell whether a request is asked for the first time, but for the one that finds out who is there."""
    return times == 0 and path != "/v2/"


@pytest.mark.parametrize(
    ("status", "headers", "waits"),
    [(429, {"Retry-After": "2"}, 2), (429, {}, 0.5), (500, {}, 0.5), (503, {"Retry-After": "1"}, 1), (504, {}, 0.5)],
)
def test_a_push_survives_servers_in_trouble(
    server: Server, proxy: FaultyProxy, layer: bytes, status: int, headers: dict[str, str], waits: float
) -> None:
    """Each request fails once, and is asked again as late as the registry says."""
    proxy.fault = lambda *asked: Fault(status=status, headers=headers) if stale(*asked) else None
    slept: list[float] = []
    digest = put_image(client(slept), at(proxy.address), layer)
    assert proxy.faults == 5  # two blobs asked for, an upload begun and ended, a manifest put
    assert min(slept) == waits
    assert is_there(server, digest, layer)
    assert b"".join(client().blob(at(proxy.address), digest_of(layer))) == layer


@pytest.mark.parametrize("damage", ["break", "cut", "slow"])
def test_a_push_survives_broken_connections(server: Server, proxy: FaultyProxy, layer: bytes, damage: Damage) -> None:
    """Resets and ends within the layer, three times: a fresh session each time."""
    tries: list[str] = []

    def fault(method: str, path: str, times: int) -> Fault | None:
        if method != "PUT" or "/uploads/" not in path:
            return None
        tries.append(path.partition("?")[0])
        return Fault(up=damage) if len(tries) <= 3 else None

    proxy.fault = fault
    digest = put_image(client(), at(proxy.address), layer)
    assert len(set(tries)) == len(tries)
    assert is_there(server, digest, layer)


@pytest.mark.parametrize("damage", ["break", "cut", "slow"])
def test_a_pull_survives_broken_connections(server: Server, proxy: FaultyProxy, layer: bytes, damage: Damage) -> None:
    """What came is kept, the rest asked for."""
    put_image(client(), at(server.address), layer)
    proxy.fault = lambda method, path, times: Fault(down=damage) if "/blobs/" in path and times < 3 else None
    assert b"".join(client().blob(at(proxy.address), digest_of(layer))) == layer
    assert proxy.faults == (1 if damage == "slow" else 3)


def test_a_pull_that_always_breaks_is_said(server: Server, proxy: FaultyProxy, layer: bytes) -> None:
    """After four attempts."""
    put_image(client(), at(server.address), layer)
    proxy.fault = lambda method, path, times: Fault(down="cut") if "/blobs/" in path else None
    with pytest.raises(UsageError, match="registry-broke"):
        b"".join(client().blob(at(proxy.address), digest_of(layer)))


def test_wrong_bytes_on_the_way_up_are_refused(server: Server, proxy: FaultyProxy, layer: bytes) -> None:
    """One flipped bit in a layer or in a manifest: an integrity error, and no image."""
    reference = at(proxy.address)
    before = client().find(at(server.address))
    for part in ("/uploads/", "/manifests/"):
        proxy.fault = lambda method, path, times, part=part: (  # type: ignore[misc]
            Fault(up="flip") if method == "PUT" and part in path else None
        )
        with pytest.raises(EnvlockError, match=r"digest-mismatch|manifest-refused"):
            put_image(client(), reference, layer)
        assert client().find(at(server.address)) == before


def test_wrong_bytes_on_the_way_down_are_refused(server: Server, proxy: FaultyProxy, layer: bytes) -> None:
    """One flipped bit in a layer or in a manifest."""
    digest = put_image(client(), at(server.address), layer)
    proxy.fault = lambda method, path, times: Fault(down="flip")
    with pytest.raises(IntegrityError, match="digest-mismatch"):
        b"".join(client().blob(at(proxy.address), digest_of(layer)))
    for reference in (at(proxy.address), at(proxy.address).at(digest)):
        with pytest.raises(IntegrityError, match="digest-mismatch"):
            client().manifest(reference)


def test_a_manifest_that_breaks_off_is_said(server: Server, proxy: FaultyProxy, layer: bytes) -> None:
    """It is no manifest."""
    put_image(client(), at(server.address), layer)
    proxy.fault = lambda method, path, times: Fault(down="cut") if "/manifests/" in path else None
    with pytest.raises(UsageError, match="registry-failed"):
        client().manifest(at(proxy.address))


def test_credentials_stay_with_their_host(server: Server, proxy: FaultyProxy, layer: bytes) -> None:
    """Blobs come from another host and go to another one; neither hears who asks, not even when it asks itself."""
    proxy.tokens = 1000
    elsewhere = FaultyProxy(server.address)
    with proxying(elsewhere):

        def away(method: str, path: str, times: int) -> Fault | None:
            moved = "/blobs/" in path and method in ("GET", "PUT")
            return Fault(status=307, headers={"Location": f"http://{elsewhere.address}{path}"}) if moved else None

        proxy.fault = away
        digest = put_image(client(), at(proxy.address), layer)
        assert is_there(server, digest, layer)
        assert b"".join(client().blob(at(proxy.address), digest_of(layer))) == layer
        elsewhere.fault = lambda method, path, times: Fault(
            status=401, headers={"WWW-Authenticate": 'Basic realm="tell me"'}
        )
        with pytest.raises(UsageError, match="registry-denied"):
            b"".join(client().blob(at(proxy.address), digest_of(layer)))
    assert {one.method for one in elsewhere.asked} == {"GET", "PUT"}
    assert all(one.authorization == "" for one in elsewhere.asked)
    assert any(one.authorization.startswith("Bearer token-") for one in proxy.asked)
    assert all(one.authorization.startswith("Basic ") == one.path.startswith("/token") for one in proxy.asked
               if one.authorization)  # fmt: skip


@pytest.mark.parametrize("good_for", [1, 2, 3])
def test_tokens_that_expire_are_renewed(server: Server, proxy: FaultyProxy, layer: bytes, good_for: int) -> None:
    """At whatever request they do."""
    proxy.tokens = good_for
    registry = client()
    digest = put_image(registry, at(proxy.address), layer)
    assert b"".join(registry.blob(at(proxy.address), digest_of(layer))) == layer
    assert is_there(server, digest, layer)


@pytest.mark.network
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_commands_through_all_of_it(
    built: Project, server: Server, proxy: FaultyProxy, tmp_path: Path, seed: int
) -> None:
    """`push` and `pull` with one request in six going wrong say why, and end with the locked digest."""
    dice = random.Random(seed)
    kinds = [
        Fault(status=429, headers={"Retry-After": "0"}),
        Fault(status=500),
        Fault(up="break", down="break"),
        Fault(up="cut", down="cut"),
        Fault(up="slow", down="slow"),
        Fault(up="flip", down="flip"),
    ]
    proxy.tokens = 7
    login = server.logged_in(tmp_path / "docker", trusted=False)
    config = (tmp_path / "docker/config.json").read_text("utf-8").replace(server.address, proxy.address)
    (tmp_path / "docker/config.json").write_text(config, "utf-8")
    index = built.ok("build", "--json").json["images"][0]["index"]
    repository = f"team/seed{seed}"

    def fault(method: str, path: str, times: int) -> Fault | None:
        return dice.choice(kinds) if path != "/v2/" and dice.random() < 1 / 6 else None

    proxy.fault = fault
    name = f"{proxy.address}/{repository}:v1"
    assert index in until_it_works(built, "push", "small", "-t", name, environment=login)
    assert client().find(Reference.parse(f"{server.address}/{repository}:v1")) == index
    other = Project(tmp_path / "other", cache=tmp_path / "cache")
    shutil.copytree(built.folder / "lockfiles", other.folder / "lockfiles")
    assert index in until_it_works(other, "pull", "small", "-t", name, environment=login)
    assert proxy.faults > 5
    layout = Layout(other.folder / ".envlock/images/small")
    for path in (layout.root / "blobs/sha256").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    assert [top.digest for top in layout.top().manifests] == [index]


def until_it_works(project: Project, *arguments: str, environment: dict[str, str]) -> str:
    """Run a command until it ends well; each time before it says clearly that it did not."""
    for _ in range(12):
        done = project.run(*arguments, environment=environment)
        assert PASSWORD not in done.out + done.err
        if done.code == 0:
            return done.out
        assert done.code in (2, 4), done.err
        assert "next: " in done.err
    pytest.fail(done.err)
