"""Provenance, signatures and `which`, with a docker-registry without referrers API, real git and real ssh-keygen."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from envlock.adapters.git_sources import source_of
from envlock.adapters.registry import OciRegistry
from envlock.adapters.registry_session import Session
from envlock.adapters.ssh import SshKeygen
from envlock.errors import UsageError
from envlock.formats.oci import INDEX, MANIFEST, canonical_json, digest_of
from envlock.image.oci import Image
from envlock.model.lock import LockFile
from envlock.model.provenance import Signature
from envlock.model.reference import Reference
from envlock.operations.attest import Attached, attach, attestation_manifest, provenance, sbom, signed
from envlock.operations.build import build
from tests.integration.project import Project
from tests.integration.registry_server import Server, serving
from tests.integration.test_registry import required
from tests.unit.images import lock_of, materials
from tests.unit.wheels import make_wheel


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A plain registry."""
    with serving(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys of Ana and Ben, a locked one, and a file that allows Ana alone."""
    folder = tmp_path_factory.mktemp("keys")
    for name, kind, secret in (("ana", "ed25519", ""), ("ben", "ecdsa", ""), ("locked", "ed25519", "secret")):
        command = [required("ssh-keygen"), "-q", "-t", kind, "-N", secret, "-C", name, "-f", str(folder / name)]
        subprocess.run(command, check=True)
    (folder / "allowed").write_text(
        f'ana@example.com namespaces="envlock-provenance" {(folder / "ana.pub").read_text()}'
    )
    (folder / "otherwise").write_text(f'ana@example.com namespaces="file" {(folder / "ana.pub").read_text()}')
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Path]:
    """A repository with a manifest and a lock, committed, that nobody's configuration of git reaches."""
    folder = tmp_path / "project"
    (folder / "lockfiles").mkdir(parents=True)
    (folder / "envlock.toml").write_text('[env.demo]\npython = "3.9"\ndependencies = ["demo"]\n')
    (folder / "lockfiles" / "pylock.demo.toml").write_bytes(lock_of([make_wheel(tmp_path)]).raw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        patch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
        git(folder, "init", "-q")
        commit(folder)
        yield folder


def git(folder: Path, *arguments: str) -> str:
    settings = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
    done = subprocess.run(["git", "-C", folder, *settings, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", "--all")
    git(folder, "commit", "-q", "-m", "x")
    return git(folder, "rev-parse", "HEAD")


class Pushed:
    """The image of the checkout's lock, in a repository of its own."""

    def __init__(self, server: Server, checkout: Path, name: str) -> None:
        self.checkout = checkout
        self.registry = OciRegistry(Session(environment={}, daemon=Path("/nonexistent/daemon.json")))
        self.reference = Reference.parse(f"{server.address}/{name}:v1")
        wheel = make_wheel(checkout.parent)
        self.lock_file: LockFile = lock_of([wheel])
        self.image: Image = build(self.lock_file, materials=materials(checkout.parent, [wheel]))
        for digest, path in self.image.files.items():
            self.send(digest, path.read_bytes())
        for one in self.image.platforms:
            self.send(one.config.descriptor.digest, one.config.raw)
            self.put(one.manifest.raw)
        for tag in ("v1", self.image.tag):
            self.registry.put_manifest(self.reference.tagged(tag), self.image.index.raw, INDEX)

    def send(self, digest: str, raw: bytes) -> None:
        self.registry.upload(self.reference, digest, len(raw), lambda: iter((raw,)))

    def put(self, raw: bytes) -> None:
        self.registry.put_manifest(self.reference.at(digest_of(raw)), raw, MANIFEST)

    def attach(self, key: Path | None = None, *, with_sbom: bool = False) -> tuple[Attached, ...]:
        lock = self.checkout / "lockfiles" / "pylock.demo.toml"
        source = source_of(lock, [self.checkout / "envlock.toml"])
        statement = provenance(self.image, self.lock_file, source)
        statement = signed(statement, SshKeygen(), str(key)) if key else statement
        attestations = [statement, *([sbom(self.lock_file)] if with_sbom else [])]
        return attach(self.registry, self.reference, self.image.index.descriptor, attestations)

    def which(self, *arguments: str, code: int = 0, reference: str = "") -> Any:
        found = Project(self.checkout, None).run("which", reference or str(self.reference), "--json", *arguments)
        assert found.code == code, found.err + found.out
        return found.json

    def shown(self, *arguments: str, folder: Path | None = None) -> str:
        return Project(folder or self.checkout, None).ok("which", str(self.reference), *arguments).out


@pytest.fixture
def pushed(server: Server, checkout: Path, request: pytest.FixtureRequest) -> Pushed:
    return Pushed(server, checkout, "team/" + re.sub(r"[^a-z0-9]+", "", request.node.name))


def test_which_names_lock_environment_and_commit(pushed: Pushed, keys: Path, tmp_path: Path) -> None:
    """From the registry's tag to the commit, without a referrers API; inside the project, which lock it is."""
    pushed.attach(keys / "ana", with_sbom=True)
    head = git(pushed.checkout, "rev-parse", "HEAD")
    (platform,) = pushed.image.platforms
    key = subprocess.run(["ssh-keygen", "-lf", keys / "ana.pub"], capture_output=True, text=True, check=True)
    fingerprint = key.stdout.split()[1]
    text = pushed.shown("--allowed-signers", str(keys / "allowed"))
    sbom_digest = next(line.split()[1] for line in text.splitlines() if "attached" in line)
    known = (
        f"{pushed.reference.at(pushed.image.index.descriptor.digest)}\n"
        f"  lock            sha256:{pushed.lock_file.digest}\n"
        "  env             demo\n"
        "  spec            1\n"
        f"  index digest    {pushed.image.index.descriptor.digest}\n"
        f"  manifest digest {platform.manifest.descriptor.digest}  linux/amd64\n"
        f"  image ID        {platform.image_id}\n"
    )
    attached = f"  attached        {sbom_digest}  application/vnd.cyclonedx+json\n"
    assert text == (
        known + f"  commit          {head}, clean, signed by ana@example.com ({fingerprint})\n"
        f"{attached}  here            the current lock of demo\n"
    )
    assert pushed.shown(folder=tmp_path) == (
        known + f"  commit          {head}, clean, signed by {fingerprint}, not checked against anybody\n{attached}"
    )


def test_statements_are_attached_once_and_all_kept(pushed: Pushed, keys: Path) -> None:
    """The fallback tag lists each once, whatever was attached in which order; ECDSA signs differently each time."""
    made = [pushed.attach()[0], pushed.attach(keys / "ana")[0], pushed.attach(keys / "ben")[0]]
    again = [pushed.attach()[0], pushed.attach(keys / "ana")[0], pushed.attach(keys / "ben")[0]]
    assert [each.new for each in made] == [True] * 3
    assert [(each.new, each.digest) for each in again] == [(False, each.digest) for each in made]
    assert len(pushed.which()["statements"]) == 3


def test_an_older_lock_is_found_in_history(pushed: Pushed) -> None:
    """After the environment moved on, the commit that brought the image's lock is named."""
    pushed.attach()
    first = git(pushed.checkout, "rev-parse", "HEAD")
    (pushed.checkout / "lockfiles" / "pylock.demo.toml").write_text("newer")
    commit(pushed.checkout)
    assert pushed.which()["here"] == {"env": None, "held": {"commit": first, "path": "lockfiles/pylock.demo.toml"}}


def test_git_is_held_against_the_statement(pushed: Pushed) -> None:
    """A commit that does not hold the lock contradicts a statement that says so."""
    pushed.attach()
    assert pushed.which()["problems"] == []
    (statement,) = pushed.which()["statements"]
    lock = pushed.checkout / "lockfiles" / "pylock.demo.toml"
    lock.write_text("another")
    other = commit(pushed.checkout)
    raw = provenance(pushed.image, pushed.lock_file, source_of(lock)).document.raw
    assert other.encode() in raw
    raw = raw.replace(b'"lockCommitted":true', b'"lockCommitted":false')
    assert statement["provenance"]["source"]["lock_committed"]
    forged = raw.replace(b'"lockCommitted":false', b'"lockCommitted":true')
    _attach_raw(pushed, forged)
    (problem,) = pushed.which(code=4)["problems"]
    assert problem.startswith(f"a statement says that commit {other} holds this lock")


def _attach_raw(pushed: Pushed, raw: bytes, *more: tuple[str, bytes]) -> None:
    """Attach a statement of any bytes, with further layers of a media type."""
    statement = provenance(pushed.image, pushed.lock_file, source_of(Path("/nonexistent/lock")))
    part = msgspec.structs.replace(statement.document, raw=raw)
    manifest = attestation_manifest(msgspec.structs.replace(statement, document=part), pushed.image.index.descriptor)
    document = json.loads(canonical_json(manifest))
    pushed.send(digest_of(raw), raw)
    pushed.send(digest_of(b"{}"), b"{}")
    for media_type, blob in more:
        pushed.send(digest_of(blob), blob)
        document["layers"].append({"mediaType": media_type, "digest": digest_of(blob), "size": len(blob)})
    pushed.put(canonical_json(document))


def test_a_statement_about_another_image_is_exit_4(pushed: Pushed) -> None:
    """It is attached to this image, and names another."""
    pushed.attach()
    raw = provenance(pushed.image, pushed.lock_file, source_of(Path("/nonexistent/lock"))).document.raw
    _attach_raw(pushed, raw.replace(pushed.image.index.descriptor.digest[7:].encode(), b"0" * 64))
    (problem,) = pushed.which(code=4)["problems"]
    assert "it is about another image: sha256:000" in problem


@pytest.mark.parametrize("how", ["another statement", "garbage", "another namespace"])
def test_a_wrong_signature_is_exit_4(pushed: Pushed, keys: Path, how: str, tmp_path: Path) -> None:
    """A signature is over these bytes, and for this purpose, or it is none."""
    raw = provenance(pushed.image, pushed.lock_file, source_of(Path("/nonexistent/lock"))).document.raw
    match how:
        case "another statement":
            signature = SshKeygen().sign(raw + b" ", str(keys / "ana"))
        case "garbage":
            signature = b"no signature"
        case _:
            command = ["ssh-keygen", "-Y", "sign", "-n", "file", "-f", str(keys / "ana")]
            signature = subprocess.run(command, input=raw, capture_output=True, check=True).stdout
    _attach_raw(pushed, raw, ("application/vnd.envlock.ssh-signature", signature))
    found = pushed.which(code=4)
    assert "is wrong" in found["problems"][0]
    assert found["statements"][0]["signatures"][0]["standing"] == "wrong"


def test_allowed_signers_are_asked_for(pushed: Pushed, keys: Path) -> None:
    """Ben alone is a stranger (4), nobody at all is unproven (3), and Ana beside Ben is enough."""
    allowed = ("--allowed-signers", str(keys / "allowed"))
    pushed.attach()
    assert pushed.which(*allowed, code=3)["unproven"] == "no statement about this image is signed"
    pushed.attach(keys / "ben")
    assert "who is no allowed signer" in pushed.which(*allowed, code=4)["problems"][0]
    assert pushed.which(code=0)["statements"][1]["signatures"][0]["standing"] == "unchecked"
    pushed.attach(keys / "ana")
    assert pushed.which(*allowed)["problems"] == []
    refused = pushed.which("--allowed-signers", str(keys / "otherwise"), code=4)
    assert len(refused["problems"]) == 2, "Ana may sign files, but no provenance"


def test_gits_own_list_tells_names(pushed: Pushed, keys: Path) -> None:
    """gpg.ssh.allowedSignersFile says who signed; strangers are told, but only --allowed-signers asks for somebody."""
    pushed.attach(keys / "ben")
    git(pushed.checkout, "config", "gpg.ssh.allowedSignersFile", str(keys / "allowed"))
    assert "who is no allowed signer (its key is not among the allowed signers)" in pushed.shown()
    pushed.attach(keys / "ana")
    assert "signed by ana@example.com (SHA256:" in pushed.shown()


def test_a_signature_is_checked_by_hand(pushed: Pushed, keys: Path, server: Server, tmp_path: Path) -> None:
    """What the docs say: the two layers of the attestation are the files that ssh-keygen -Y verify takes."""
    (made,) = pushed.attach(keys / "ana")
    raw, _, _ = pushed.registry.manifest(pushed.reference.at(made.digest))
    for layer in json.loads(raw)["layers"]:
        blob = b"".join(pushed.registry.blob(pushed.reference, layer["digest"]))
        (tmp_path / layer["annotations"]["org.opencontainers.image.title"]).write_bytes(blob)
    subprocess.run(
        "ssh-keygen -Y verify -f $ALLOWED -I ana@example.com -n envlock-provenance -s statement.json.sig"
        " < statement.json",
        shell=True,
        check=True,
        cwd=tmp_path,
        env=os.environ | {"ALLOWED": str(keys / "allowed")},
        stdout=subprocess.DEVNULL,
    )


def test_a_key_of_an_agent_signs(keys: Path, tmp_path: Path) -> None:
    """The public file names the key, the agent holds it, and the passphrase was asked for when it was added."""
    agent = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        environment = dict(os.environ) | {"SSH_AUTH_SOCK": str(tmp_path / "agent")}
        for _ in range(100):
            done = subprocess.run(
                ["ssh-add", "-q", str(keys / "ana")], env=environment, check=False, capture_output=True
            )
            if done.returncode == 0:
                break
        public = tmp_path / "only.pub"
        public.write_bytes((keys / "ana.pub").read_bytes())
        ssh = SshKeygen(environment)
        armored = ssh.sign(b"statement", str(public))
        found = ssh.check(b"statement", armored, keys / "allowed")
        assert (found.standing, found.principal) == ("trusted", "ana@example.com")
    finally:
        agent.terminate()
        agent.wait()
    without = SshKeygen({"PATH": os.environ["PATH"]})
    with pytest.raises(UsageError) as caught:
        without.sign(b"statement", str(public))
    assert caught.value.reference == "signing-failed"


def test_errors_of_signing_say_the_way_out(keys: Path) -> None:
    """No key, a locked key and no terminal, no ssh-keygen."""
    nobody = SshKeygen({"PATH": os.environ["PATH"], "SSH_ASKPASS": "/bin/false", "SSH_ASKPASS_REQUIRE": "force"})
    with pytest.raises(UsageError) as caught:
        nobody.sign(b"x", str(keys / "none"))
    assert caught.value.reference == "no-such-key"
    with pytest.raises(UsageError) as caught:
        nobody.sign(b"x", str(keys / "locked"))
    assert caught.value.reference == "signing-failed"
    assert "passphrase" in caught.value.what
    assert "ssh-add" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        nobody.sign(b"x", str(keys / "allowed"))
    assert caught.value.reference == "signing-failed"
    absent = SshKeygen({"PATH": "/nonexistent"})
    with pytest.raises(UsageError) as caught:
        absent.sign(b"x", str(keys / "ana"))
    assert caught.value.reference == "no-ssh-keygen"
    armored = nobody.sign(b"x", str(keys / "ana"))
    assert absent.check(b"x", armored, None).standing == "unreadable"
    assert absent.check(b"x", b"nothing", None) == Signature(standing="wrong", key="", why="it is no SSH signature")


@pytest.mark.network
def test_push_attaches_what_it_is_told(server: Server, built: Project, keys: Path, tmp_path: Path) -> None:
    """`push` alone has a statement, --sbom a bill of materials, --sign a signature; none is there twice.

    Where git does not say where an image comes from, that is told.
    """
    project = Project(tmp_path / "project", cache=built.cache)
    (project.folder / "lockfiles").mkdir()
    for name in ("pylock.small.toml", "envlock.sum"):
        (project.folder / "lockfiles" / name).write_bytes((built.folder / "lockfiles" / name).read_bytes())
    said = project.ok("push", "small", "-t", f"{server.address}/team/outside:v1").err
    assert "note: the provenance names no commit: This folder is in no git repository (git init)" in said
    git(project.folder, "init", "-q")
    head = commit(project.folder)
    reference = f"{server.address}/team/pushed:v1"

    def push(*arguments: str) -> list[dict[str, Any]]:
        (row,) = project.ok("push", "small", "-t", reference, "--json", *arguments).json["pushed"]
        attached: list[dict[str, Any]] = row["attached"]
        return attached

    assert [(each["kind"], each["new"]) for each in push()] == [("provenance", True)]
    assert [(each["kind"], each["new"]) for each in push()] == [("provenance", False)]
    assert push("--no-provenance") == []
    assert [(each["kind"], each["new"]) for each in push("--sbom", "--sign", str(keys / "ana"))] == [
        ("provenance", True),
        ("sbom", True),
    ]
    found = project.ok("which", reference, "--json", "--allowed-signers", str(keys / "allowed")).json
    assert [each["provenance"]["source"]["commit"] for each in found["statements"]] == [head] * 2
    assert not any(each["provenance"]["source"]["dirty"] for each in found["statements"])
    assert [each["artifact_type"] for each in found["artifacts"]] == ["application/vnd.cyclonedx+json"]
    assert found["here"] == {"env": "small", "held": None}


@pytest.mark.engine
@pytest.mark.network
def test_an_image_in_an_engine_is_known_by_its_labels(built: Project, engine: str) -> None:
    """An Engine keeps the image ID and the labels, and nothing that refers to the image."""
    environment = {"DOCKER_HOST": engine}
    built.ok("build", "-o", "engine", "-t", "small:which", environment=environment)
    image = built.ok("build", "--json").json["images"][0]
    found = built.ok("which", "engine:small:which", "--json", environment=environment).json
    assert found["lock"] == image["lock"]
    assert found["platforms"]["linux/amd64"]["image"] == image["platforms"]["linux/amd64"]["image"]
    assert found["here"] == {"env": "small", "held": None}
    absent = built.run("which", "engine:absent:1", environment=environment)
    assert (absent.code, absent.err.splitlines()[0]) == (2, "error: The Engine has no such image. [no-image]")
