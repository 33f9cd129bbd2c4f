"""`report` and `compare` as two people use them: real environments, a real repository, the real command."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from envlock.adapters.registry import OciRegistry
from envlock.adapters.registry_session import Session
from envlock.adapters.ssh import SshKeygen
from envlock.cli.main import cli
from envlock.errors import EnvlockError
from envlock.formats.oci import INDEX, Index, canonical_json, parse_index
from envlock.image.oci import LABEL_LOCK
from envlock.model.provenance import REPORT_NAMESPACE, SIGNING_NAMESPACE
from envlock.model.reference import Reference
from envlock.operations.attest import REPORT
from tests.integration.project import Project
from tests.integration.registry_server import serving
from tests.unit.wheels import make_wheel


def git(folder: Path, *arguments: str) -> None:
    """Run git as somebody."""
    who = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def venv(folder: Path, wheels: Path, **versions: str) -> None:
    """Make .venv in a folder, with wheels of these versions laid into it."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    (site,) = (folder / ".venv").glob("lib/python*/site-packages")
    for name, version in versions.items():
        shutil.unpack_archive(make_wheel(wheels, name, version), site, "zip")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Project]:
    """Two clones of one project without manifest or lock, with other releases installed."""
    folder = tmp_path_factory.mktemp("people")
    ana = Project(folder / "ana", None)
    (ana.folder / "train.csv").write_text("1,0\n")
    (ana.folder / ".gitignore").write_text(".venv/\n*.json\n")
    git(ana.folder, "init", "-q")
    git(ana.folder, "add", ".")
    git(ana.folder, "commit", "-qm", "Train")
    git(folder, "clone", "-q", "ana", "ben")
    ben = Project(folder / "ben", None)
    venv(ana.folder, folder, tensorflow="2.5.0", six="1.15.0")
    venv(ben.folder, folder, tensorflow="2.6.0", six="1.15.0")
    return {"ana": ana, "ben": ben}


def reported(project: Project, name: str, *options: str, threads: str = "4") -> Path:
    """Have a report made in a project, and return its file."""
    path = project.folder.parent / f"{name}.json"
    project.ok("report", *options, "-o", str(path), environment={"OMP_NUM_THREADS": threads})
    return path


def test_two_laptops_find_the_cause(people: dict[str, Project]) -> None:
    """Without manifest or lock: the same commit and data, and the framework and threads by name; exit code 1."""
    ana = reported(people["ana"], "ana", "--python", ".venv", "--input", "train.csv", threads="8")
    ben = reported(people["ben"], "ben", "--input", "train.csv")
    result = people["ana"].run("compare", str(ana), str(ben))
    assert result.code == 1
    lines = result.out.splitlines()
    commit = json.loads(ana.read_bytes())["checkout"]["commit"]
    assert lines[0] == f"ana | ben: same commit {commit[:8]}, same data (train.csv)"
    assert [line.split()[:4] for line in lines if line.startswith("RESULTS")] == [
        ["RESULTS", "tensorflow", "2.5.0", "2.6.0"],
        ["RESULTS", "threads", "8", "4"],
    ]
    assert "next:  agree on one: envlock lock --from-venv .venv" in result.out
    again = ana.with_name("again.json")
    again.write_bytes(ana.read_bytes())
    assert people["ana"].run("compare", str(ana), str(again)).code == 0


def test_files_of_one_version_are_compared_where_they_were_hashed(people: dict[str, Project]) -> None:
    """--full on both: the same version with an edited file is found."""
    before = reported(people["ana"], "before", "--full")
    (module,) = people["ana"].folder.glob(".venv/lib/python*/site-packages/six/__init__.py")
    module.write_text("value = 2\n")
    after = reported(people["ana"], "after", "--full")
    result = people["ana"].run("compare", "--json", str(before), str(after))
    assert result.code == 1
    assert [(each["area"], each["subject"]) for each in result.json["disagreements"]] == [("files", "six 1.15.0")]
    assert not any("files" in each["subject"] for each in result.json["unseen"])


def test_edits_and_shallow_clones_are_told(people: dict[str, Project], tmp_path: Path) -> None:
    """A tracked file that differs from the commit makes the code another one; a shallow clone has no first commit."""
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{people['ana'].folder}", "shallow")
    shallow = Project(tmp_path / "shallow", None)
    (shallow.folder / "train.csv").write_text("1,1\n")
    path = reported(shallow, "shallow", "--python", str(people["ana"].folder / ".venv"))
    checkout = json.loads(path.read_bytes())["checkout"]
    assert checkout["dirty"] is True
    assert "root" not in checkout
    whole = reported(people["ana"], "whole")
    result = shallow.run("compare", "--json", str(whole), str(path))
    assert ("code", "uncommitted changes") in [(e["area"], e["subject"]) for e in result.json["disagreements"]]


def test_report_of_an_environment_of_the_manifest(people: dict[str, Project], tmp_path: Path) -> None:
    """Where there is a manifest, its data and its lock are in the report, which knows no name of this place."""
    manifest = '[env.churn]\npython = "3.11"\ndependencies = ["six"]\ninputs = ["data.csv", "gone.csv"]\n'
    project = Project(tmp_path / "churn", manifest)
    (project.folder / "data.csv").write_text("1\n")
    project.lock_path("churn").parent.mkdir()
    project.lock_path("churn").write_bytes(b"a lock\n")
    result = project.ok("report", "--python", str(people["ana"].folder / ".venv"))
    assert set(result.json["inputs"]) == {"data.csv", "gone.csv"}
    assert result.json["inputs"]["gone.csv"] is None
    assert result.json["lock"]["env"] == "churn"
    assert "checkout" not in result.json
    for private in (str(tmp_path), "people", "/.venv"):
        assert private not in result.out
    assert project.run("report", "other").code == 2


def test_output_that_cannot_be_written(people: dict[str, Project]) -> None:
    """A folder that cannot be made is exit code 2, and no part of a report is left."""
    result = people["ana"].run("report", "-o", "train.csv/x.json")
    assert result.code == 2
    assert "error:" in result.err


@pytest.fixture(scope="module")
def team(tiny: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A repository of the tiny project with a probe of its own, synced, and a key beside it."""
    folder = tmp_path_factory.mktemp("team")
    shutil.copytree(tiny.folder, folder / "tiny", symlinks=True)
    project = Project(folder / "tiny", None, cache=tiny.cache)
    manifest = (project.folder / "envlock.toml").read_text("utf-8")
    (project.folder / "envlock.toml").write_text(
        manifest.replace("[[index]]", '[env.tiny.probes]\ntotal = "check:total"\n\n[[index]]')
    )
    (project.folder / "check.py").write_text("def total():\n    return [0.1 + 0.2, 3.0]\n")
    git(project.folder, "init", "-q")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ana@host", "-f", folder / "key"], check=True)
    return project


def test_a_kept_report_is_signed_and_says_what_the_lock_says(team: Project) -> None:
    """--as keeps it for git, signed for this purpose alone; --numerics has the probes' answers in it."""
    key = str(team.folder.parent / "key")
    result = team.ok("report", "--as", "ana", "--sign", key, "--numerics", "--json")
    assert result.json["wrote"] == [
        "lockfiles/reports/.gitattributes",
        "lockfiles/reports/tiny/ana.json",
        "lockfiles/reports/tiny/ana.json.sig",
    ]
    assert (result.json["outcome"], result.json["errors"]) == ("match", 0)
    path = team.folder / "lockfiles/reports/tiny/ana.json"
    raw, armored = path.read_bytes(), path.with_name("ana.json.sig").read_bytes()
    document = json.loads(raw)
    lock = document["lock"]["digest"]
    assert document["judged"] == {"lock": lock, "mode": "quick", "outcome": "match"}
    (suite,) = document["numerics"]["suites"]
    assert [(each["name"], each["answers"]["canonical"]["status"]) for each in suite["probes"]] == [("total", "ok")]
    ssh = SshKeygen()
    assert ssh.check(raw, armored, None, REPORT_NAMESPACE).standing == "unchecked"
    assert ssh.check(raw, armored, None, SIGNING_NAMESPACE).standing == "wrong"
    assert ssh.check(raw + b" ", armored, None, REPORT_NAMESPACE).standing == "wrong"
    for private in (str(team.folder), "ana@host"):
        assert private.encode() not in raw + armored
    (team.folder / "lockfiles/allowed_signers").write_text("")
    git(team.folder, "config", "gpg.format", "ssh")
    git(team.folder, "config", "user.signingkey", "key.pub")
    unsigned = team.ok("report", "--as", "ana")
    assert not path.with_name("ana.json.sig").exists()
    assert "not signed" in unsigned.err
    assert '--sign "$(git config user.signingkey)"' in unsigned.err
    assert "next: git add lockfiles/reports/tiny/ana.json\n" in unsigned.err


def refused(*arguments: str) -> str:
    """Run `envlock report` in this process and return what it refuses, exit code 2, with."""
    result = CliRunner().invoke(cli, ["report", *arguments])
    error = result.exception
    assert (error.exit_code if isinstance(error, EnvlockError) else result.exit_code) == 2
    return str(error) if isinstance(error, EnvlockError) else result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--as", "ana", "-o", "x.json"), "give one of them"),
        (("--as", "../ana"), "bad-report-name"),
        (("--sign", "key"), "give -o FILE, --as NAME or --push"),
        (("--as", "ben", "--sign", "gone"), "no-such-key"),
        (("--push",), "no-repository"),
        (("--push", "tiny"), "put ENV before it"),
    ],
)
def test_reports_that_cannot_be_made_as_asked(
    team: Project, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    """What does not go together, a name that is none, a missing key: refused before anything is observed."""
    monkeypatch.chdir(team.folder)
    assert said in refused(*arguments)
    assert not (team.folder / "lockfiles/reports/tiny/ben.json").exists()


def test_a_lock_that_cannot_be_read(team: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The report is made all the same and says why nothing was judged; probes need the lock."""
    project = Project(tmp_path / "broken", (team.folder / "envlock.toml").read_text("utf-8"))
    project.lock_path("tiny").parent.mkdir()
    project.lock_path("tiny").write_text("no lock\n")
    python = ("--python", str(team.folder / ".venv"))
    result = project.ok("report", *python)
    assert "not TOML" in result.json["judged"]["unknown"]
    monkeypatch.chdir(project.folder)
    assert "bad-lock" in refused(*python, "--numerics")
    project.lock_path("tiny").unlink()
    assert "no-lock" in refused(*python, "--numerics")


def test_a_report_in_a_registry(team: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--push attaches it to the image of its lock, with its signature, for whoever may pull."""
    lock = hashlib.sha256(team.lock_path("tiny").read_bytes()).hexdigest()
    with serving(tmp_path) as server:
        registry = OciRegistry(Session(environment={}, daemon=Path("/nonexistent/daemon.json")))
        image = Reference.parse(f"{server.address}/team/tiny:v1")
        annotations = {LABEL_LOCK: f"sha256:{lock}"}
        raw = canonical_json(Index(schema_version=2, media_type=INDEX, manifests=(), annotations=annotations))
        registry.put_manifest(image, raw, INDEX)
        key = str(team.folder.parent / "key")
        pushed = team.ok("report", "--push", str(image), "--json", environment={"ENVLOCK_SIGN_KEY": key})
        digest = registry.digest(image)
        assert pushed.json["pushed"]["image"] == str(image.at(digest))
        assert (pushed.json["pushed"]["new"], pushed.json["wrote"]) == (True, [])
        assert pushed.json["key"].startswith("SHA256:")
        (found,) = parse_index(registry.referrers(image.at(digest)), "x").manifests
        assert (found.digest, found.artifact_type) == (pushed.json["pushed"]["digest"], REPORT)
        monkeypatch.chdir(team.folder)
        assert "no-image" in refused("--push", f"{server.address}/team/tiny:gone")
