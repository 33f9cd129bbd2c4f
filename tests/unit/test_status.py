"""`status` asks everything at once, and what does not answer is told, never raised."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from envlock.errors import UnverifiableError, UsageError
from envlock.formats.oci import INDEX, Index, Layout, canonical_json, describe, digest_of
from envlock.formats.pylock import write_lock
from envlock.formats.report import report_bytes
from envlock.image.layout import prepare_layout, write_index
from envlock.image.oci import LABEL_LOCK
from envlock.image.sums import Sums, format_sums
from envlock.model.ability import Ability, Pushed, Standing, Status
from envlock.model.edges import Resolution
from envlock.model.finding import Summary, Verdict
from envlock.model.hardware import AcceleratorClass, HardwareClass
from envlock.model.lock import LockFile
from envlock.model.machine import Accelerator, Accelerators, Cpu, Machine
from envlock.model.manifest_parser import find_manifest
from envlock.model.platform import Platform
from envlock.model.provenance import Signature
from envlock.model.reference import Reference
from envlock.model.report import Judged
from envlock.model.unknown import Unknown
from envlock.operations.abilities import Questions
from envlock.operations.reports import Trust
from envlock.operations.standing import with_image, with_reports, with_verification
from envlock.operations.status import status_of
from envlock.operations.verified import last_verified, remember
from envlock.report.status import status_json, status_text
from tests.unit.edges import edges_with
from tests.unit.registries import DictRegistry
from tests.unit.reports import report
from tests.unit.venvs import lock_of

MANIFEST = """
[env.demo]
python = "3.11"
dependencies = ["cat"]

[env.demo.image]
base = "debian-bookworm-python3.11"
repository = "registry.example.com/team/a"
"""
GPU = Accelerator(kind="nvidia", name="NVIDIA A100-SXM4-40GB", model="A100")


class _Index:
    def __init__(self, error: UsageError | None = None) -> None:
        self.error = error
        self.asked: list[Resolution] = []

    def resolve(self, wanted: Resolution) -> list[Mapping[str, Any]]:
        self.asked.append(wanted)
        if self.error:
            raise self.error
        return []


class _Sandbox:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def start(self, root: Path, argv: Sequence[str], **more: Any) -> Any:
        raise self.error


def _machine(accelerators: Accelerators | Unknown | None = None) -> Machine:
    return Machine(
        system="linux",
        cpu=Cpu(architecture="x86_64"),
        memory=1,
        accelerators=accelerators if accelerators is not None else Accelerators(),
    )


def _no_engine() -> str:
    raise UsageError("no-engine", "No Docker Engine answers.", found="no such file")


def _status(
    folder: Path | None,
    *,
    registry: DictRegistry | None = None,
    index: _Index | None = None,
    sandbox: Exception | None = None,
    machine: Machine | Unknown | None = None,
    engine: Callable[[], str] = _no_engine,
    room: int = 100 << 30,
    offline: bool = False,
) -> Status:
    return status_of(
        find_manifest(folder) if folder else None,
        edges_with(
            registry=lambda: registry or DictRegistry(),
            resolver=index or _Index(),
            sandbox=_Sandbox(sandbox or UsageError("not-in-root", "It cannot be run.")),
        ),
        Questions(
            engine=engine,
            machine=lambda: machine or _machine(),
            room=lambda: room,
            platform=Platform("linux", "amd64"),
            offline=offline,
        ),
    )


def test_without_a_manifest() -> None:
    """It says what the machine is able to do, and nothing of environments."""
    status = _status(None)
    assert {row.name: row.state for row in status.abilities} == {
        "disk": "able",
        "sandbox": "able",
        "engine": "absent",
        "index": "able",
        "GPU": "absent",
    }
    assert status.standings == ()
    assert "Environments" not in status_text(status)


def test_what_is_unable_says_why_and_what_to_do() -> None:
    """A full disk, forbidden namespaces, a refusing index and a failing driver have a reason and a next step."""
    status = _status(
        None,
        room=1 << 20,
        sandbox=UnverifiableError("no-namespaces", "The kernel forbids namespaces.", hint="Allow them."),
        index=_Index(UsageError("resolver-failed", "No answer.", found="timeout", hint="Is the proxy set?")),
        machine=_machine(Unknown(reason="NVML failed", hint="Load the driver.")),
        engine=lambda: "Docker Engine 20.10, linux/amd64",
    )
    assert [row.state for row in status.abilities] == ["unable", "unable", "able", "unable", "unknown"]
    text = status_text(status)
    for said in ("Allow them.", "No answer (timeout)", "Is the proxy set?", "NVML failed", "ENVLOCK_CACHE_DIR"):
        assert said in text


def test_gpus_are_counted() -> None:
    """Devices of one name are one line, with their driver."""
    machine = _machine(Accelerators(devices=(GPU, GPU), driver="535.129.03"))
    row = _status(None, machine=machine).abilities[-1]
    assert (row.state, row.said) == ("able", "2 × NVIDIA A100-SXM4-40GB, driver 535.129.03")


def test_offline_asks_nobody_outside(tmp_path: Path) -> None:
    """Index and registry are unknown then, and were not asked."""
    (tmp_path / "envlock.toml").write_text(MANIFEST)
    index, registry = _Index(), DictRegistry()
    status = _status(tmp_path, index=index, registry=registry, offline=True)
    assert (index.asked, registry.calls) == ([], [])
    assert {row.name: row.state for row in status.abilities if row.state == "unknown"} == {
        "index": "unknown",
        "registry registry.example.com": "unknown",
    }


def test_environments_and_their_next_command(tmp_path: Path) -> None:
    """No lock: lock; a broken one: its reason; a stale one: lock again; its image is found by the lock's tag."""
    (tmp_path / "envlock.toml").write_text(MANIFEST)
    (row,) = _status(tmp_path).standings
    assert (row.lock, row.next) == ("missing", "envlock lock demo")
    path = tmp_path / "lockfiles" / "pylock.demo.toml"
    path.parent.mkdir()
    path.write_text("nonsense")
    (row,) = _status(tmp_path).standings
    assert (row.lock, row.changed != ()) == ("broken", True)
    lock = lock_of()
    path.write_bytes(lock.raw)
    registry = DictRegistry()
    digest = f"sha256:{'ab' * 32}"
    registry.tags["registry.example.com/team/a"] = {f"lock-{lock.digest[:32]}": digest}
    status = _status(tmp_path, registry=registry)
    (row,) = status.standings
    assert (row.lock, row.next) == ("stale", "envlock lock demo")
    assert row.image == f"registry.example.com/team/a:lock-{lock.digest[:32]}@{digest}"
    assert json.loads(status_json(status))["standings"][0]["lock"] == "stale"
    assert "image pushed" in status_text(status)


def test_the_class_of_the_machine(tmp_path: Path) -> None:
    """Of a lock that names hardware classes it says which of them this machine is of."""
    (tmp_path / "envlock.toml").write_text(MANIFEST)
    path = tmp_path / "lockfiles" / "pylock.demo.toml"
    path.parent.mkdir()
    none, a100 = AcceleratorClass(kind="none"), AcceleratorClass(kind="nvidia", models=("A100",))
    classes = {"laptop": HardwareClass(accelerator=none), "a100": HardwareClass(accelerator=a100)}
    path.write_bytes(write_lock(replace(lock_of().lock, hardware=classes)))
    status = _status(tmp_path, machine=_machine(Accelerators(devices=(GPU,), driver="535.129.03")))
    assert status.standings[0].hardware == "class a100"
    assert "class a100" in status_text(status)
    assert _status(tmp_path).standings[0].hardware == "class laptop"


def test_a_registry_that_is_down(tmp_path: Path) -> None:
    """It is told with its reason; the environment is told all the same."""
    (tmp_path / "envlock.toml").write_text(MANIFEST)
    registry = DictRegistry()
    registry.broken.add("registry.example.com")
    status = _status(tmp_path, registry=registry)
    assert (status.abilities[-1].state, status.abilities[-1].said) == ("unable", "The registry cannot be used (down)")
    assert [row.env for row in status.standings] == ["demo"]


REPOSITORY = "registry.example.com/team/a"


def _locked(folder: Path) -> LockFile:
    """Write a manifest and a lock with an image."""
    (folder / "envlock.toml").write_text(MANIFEST)
    lock = lock_of(base_python="3.11.2")
    path = folder / "lockfiles" / "pylock.demo.toml"
    path.parent.mkdir()
    path.write_bytes(lock.raw)
    return lock


def test_the_tags_of_an_image(tmp_path: Path) -> None:
    """Those that people gave, and that name this image now: no lock's tag, no list of referrers, no other image."""
    lock, registry = _locked(tmp_path), DictRegistry()
    digest, other = f"sha256:{'ab' * 32}", f"sha256:{'cd' * 32}"
    own = {f"lock-{lock.digest[:32]}": digest, "v2": digest, "latest": digest, f"sha256-{'ab' * 32}": digest}
    registry.tags[REPOSITORY] = own | {"v1": other}
    status = _status(tmp_path, registry=registry)
    assert (status.standings[0].tags, status.standings[0].unasked_tags) == (("latest", "v2"), 0)
    assert "tagged latest, v2\n" in status_text(status)
    registry.tags[REPOSITORY] |= {f"z{number:03}": digest for number in range(80)}
    (row,) = _status(tmp_path, registry=registry).standings
    assert (len(row.tags), row.unasked_tags) == (50, 33)


def test_a_registry_that_lists_no_tags(tmp_path: Path) -> None:
    """The image is told all the same."""
    lock = _locked(tmp_path)

    class Closed(DictRegistry):
        def tags_of(self, reference: Reference) -> tuple[str, ...]:
            raise UsageError("registry-denied", "The registry does not let us list.")

    registry = Closed()
    registry.tags[REPOSITORY] = {f"lock-{lock.digest[:32]}": f"sha256:{'ab' * 32}"}
    (row,) = _status(tmp_path, registry=registry).standings
    assert (row.image != "", row.tags) == (True, ())


def test_the_next_command_of_an_image(tmp_path: Path) -> None:
    """Build what envlock.sum does not vouch for, push what it does, nothing where it is pushed."""
    lock = _locked(tmp_path)
    manifest = find_manifest(tmp_path)
    beside = Standing(env="demo", lock="fresh", lock_digest=lock.digest)
    able = Ability(name="registry", state="able", said="answers")
    assert with_image(beside, manifest, lock, able, None).next == "envlock build demo"
    sums = Sums(images={(lock.digest, "linux/amd64"): f"sha256:{'ab' * 32}"})
    manifest.sums_path.write_bytes(format_sums(sums))
    found = with_image(beside, manifest, lock, able, None)
    assert (found.vouched, found.next) == (True, "envlock push demo")
    assert with_image(beside, manifest, lock, None, None).next == ""
    assert with_image(beside, manifest, lock, able, Pushed(image="x")).next == ""
    manifest.sums_path.write_text("nonsense\n")
    assert with_image(beside, manifest, lock, able, None).vouched is False


def test_an_image_that_was_built_here(tmp_path: Path) -> None:
    """In the project's own layout; the image of another lock there is none."""
    lock = _locked(tmp_path)
    manifest = find_manifest(tmp_path)
    place = tmp_path / ".envlock" / "images" / "demo"
    for digest, told in ((lock.digest, ".envlock/images/demo"), ("0" * 64, "")):
        of = {LABEL_LOCK: f"sha256:{digest}"}
        raw = canonical_json(Index(schema_version=2, media_type=INDEX, manifests=(), annotations=of))
        prepare_layout(place)
        Layout(place).blob_path(digest_of(raw)).write_bytes(raw)
        write_index(place, [describe(raw, INDEX)])
        row = with_image(Standing(env="demo", lock="fresh", lock_digest=lock.digest), manifest, lock, None, None)
        assert row.built == told
    (place / "index.json").write_text("nonsense")
    assert "image built" not in status_text(_status(tmp_path))


def test_the_last_verification(tmp_path: Path) -> None:
    """When, how and what came of it, without a name of this machine; asked for where it was of another lock."""
    lock = _locked(tmp_path)
    manifest = find_manifest(tmp_path)
    synced = Standing(env="demo", lock="fresh", lock_digest=lock.digest, venv="in step")
    assert with_verification(synced, manifest).next == "envlock verify demo"
    summary = Summary(env="demo", lock_digest=lock.digest, target=".venv", mode="full")
    verdict = Verdict(summary=summary, findings=(), outcome="match")
    remember(manifest, "demo", verdict, datetime.datetime(2025, 3, 1, 10, 30, tzinfo=datetime.UTC))
    path = tmp_path / ".envlock" / "verified" / "demo.json"
    assert json.loads(path.read_text()) == {
        "schema": 1,
        "when": "2025-03-01T10:30:00Z",
        "mode": "full",
        "outcome": "match",
        "lock": lock.digest,
    }
    assert (tmp_path / ".envlock" / ".gitignore").read_text() == "*\n"
    found = with_verification(synced, manifest)
    assert (found.verified is not None, found.next) == (True, "")
    assert "verified 2025-03-01 10:30 UTC here (full): match\n" in status_text(Status(abilities=(), standings=(found,)))
    relocked = with_verification(replace(synced, lock_digest="0" * 64), manifest)
    assert relocked.next == "envlock verify demo"
    assert "of another lock than this one" in status_text(Status(abilities=(), standings=(relocked,)))
    path.write_text('{"schema": 2}')
    assert with_verification(synced, manifest).verified is None


def test_a_project_that_nobody_may_write_to(tmp_path: Path) -> None:
    """It keeps no memory, and verifying it is no error."""
    _locked(tmp_path)
    (tmp_path / ".envlock").write_text("a file")
    verdict = Verdict(
        summary=Summary(env="demo", lock_digest="0" * 64, target=".venv", mode="quick"), findings=(), outcome="drift"
    )
    remember(find_manifest(tmp_path), "demo", verdict, datetime.datetime.now(datetime.UTC))
    assert last_verified(find_manifest(tmp_path), "demo") is None


class _Signatures:
    """Signatures that say themselves how they stand."""

    def sign(self, raw: bytes, key: str, namespace: str = "") -> bytes:
        raise NotImplementedError

    def check(self, raw: bytes, armored: bytes, allowed: Path | None, namespace: str = "") -> Signature:
        standing: Any = armored.decode()
        principal = "ana@example.com" if standing == "trusted" else ""
        return Signature(standing=standing, key="SHA256:abc", principal=principal)


def test_kept_reports(tmp_path: Path) -> None:
    """The newest five, of this lock or another, signed by whom; refused ones first, each with its reason."""
    lock = _locked(tmp_path)
    manifest = find_manifest(tmp_path)
    folder = manifest.reports_path("demo")
    folder.mkdir(parents=True)

    def keep(name: str, day: int, judged: Judged | None, signature: str = "") -> None:
        made = report(created=f"2025-03-{day:02}T10:30:00Z", judged=judged)
        (folder / f"{name}.json").write_bytes(report_bytes(made))
        if signature:
            (folder / f"{name}.json.sig").write_text(signature)

    keep("ana", 3, Judged(lock=lock.digest, mode="quick", outcome="match"), "trusted")
    keep("ben", 2, Judged(lock="0" * 64, mode="quick", outcome="drift"), "unknown")
    keep("cleo", 1, None)
    trust = Trust(signatures=_Signatures())
    row = with_reports(Standing(env="demo", lock="fresh", lock_digest=lock.digest), manifest, trust)
    status = Status(abilities=(), standings=(row,))
    assert status.exit_code == 0
    text = status_text(status)
    assert "report of ana, 2025-03-03 10:30 UTC: match, signed by ana@example.com (SHA256:abc)\n" in text
    assert "report of ben, 2025-03-02 10:30 UTC: drift, of another lock than this one, signed by SHA256:abc, " in text
    assert "report of cleo, 2025-03-01 10:30 UTC: not held against a lock" in text
    for number in range(4):
        keep(f"x{number}", number + 10, None)
    keep("forged", 1, None, "wrong")
    (folder / "broken.json").write_text("{")
    row = with_reports(row, manifest, trust)
    assert (len(row.reports), row.older_reports) == (5, 4)
    assert {report.name for report in row.reports[:2]} == {"broken", "forged"}
    status = Status(abilities=(), standings=(row,))
    assert status.exit_code == 4
    assert "[wrong-signature]" in status_text(status)
    assert status_text(status).count("✗ ") == 3
    demanded = with_reports(row, manifest, Trust(signatures=_Signatures(), demanded=True))
    assert {report.name for report in demanded.reports if report.forged} >= {"ben", "cleo", "forged"}
