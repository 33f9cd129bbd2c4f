"""Three teammates with three clones: reports signed, committed, pulled, compared; forged and altered ones refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.programs import python_of
from tests.integration.project import Project, Result
from tests.unit.reviewed import Team
from tests.unit.wheels import make_wheel

MANIFEST = f"""\
[env.train]
python = "{sys.version_info[0]}.{sys.version_info[1]}"
frameworks = {{ tensorflow = "==2.5.0" }}
dependencies = ["numpy", "six"]
"""
PINS = {"tensorflow": "2.5.0", "numpy": "1.19.5", "six": "1.15.0"}
QUIET = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


class Mate:
    """Somebody with a clone, an SSH key and an environment of their own."""

    def __init__(self, folder: Path, name: str, origin: Path) -> None:
        self.name = name
        self.key = folder / f"{name}.key"
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self.key)]
        subprocess.run(command, check=True)
        self.git(folder, "clone", "-q", str(origin), name)
        self.project = Project(folder / name, None, cache=folder / "cache")
        self.folder = self.project.folder

    @property
    def signer(self) -> str:
        """The line that allows this key."""
        return f'{self.name}@example.com namespaces="envlock-report" {self.key.with_suffix(".key.pub").read_text()}'

    def git(self, folder: Path, *words: str) -> None:
        """Run git under this name."""
        who = ("-c", f"user.name={self.name}", "-c", f"user.email={self.name}@example.com")
        subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, env={**os.environ, **QUIET})

    def install(self, python: str, wheels: Path, **versions: str) -> None:
        """Make the environment of this clone, with wheels laid into it."""
        subprocess.run([python, "-m", "venv", "--without-pip", self.folder / ".venv"], check=True)
        (site,) = (self.folder / ".venv").glob("lib/python*/site-packages")
        for name, version in versions.items():
            shutil.unpack_archive(make_wheel(wheels, name, version), site, "zip")

    def report(self, threads: str) -> None:
        """Make a report, sign it, and share it."""
        self.run("report", "train", "--as", self.name, "--sign", str(self.key), threads=threads)
        self.git(self.folder, "add", "lockfiles", ".gitattributes")
        self.git(self.folder, "commit", "-qm", f"Report of {self.name}")
        self.git(self.folder, "pull", "-q", "--rebase")
        self.git(self.folder, "push", "-q")

    def run(self, *words: str, threads: str = "8", code: int = 0) -> Result:
        """Run envlock in the clone and expect an exit status."""
        result = self.project.run(*words, environment={"OMP_NUM_THREADS": threads, **QUIET})
        assert result.code == code, result.err + result.out
        return result


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Mate]:
    """Ana has what is locked, Ben another Python, Cem another framework and fewer threads; all have reported."""
    folder = tmp_path_factory.mktemp("team")
    origin, wheels = folder / "origin.git", folder / "wheels"
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", str(origin)], check=True)
    mates = {name: Mate(folder, name, origin) for name in ("ana", "ben", "cem")}
    ana, ben, cem = mates.values()
    first = Team(ana.folder, MANIFEST)
    first.write(".gitignore", b".venv*/\n.envlock/\n")
    first.write("lockfiles/allowed_signers", "".join(mate.signer for mate in mates.values()).encode())
    first.lock()
    ana.git(ana.folder, "checkout", "-qB", "main")
    ana.git(ana.folder, "add", ".")
    ana.git(ana.folder, "commit", "-qm", "Lock")
    ana.git(ana.folder, "push", "-q", "-u", "origin", "main")
    for mate in (ben, cem):
        mate.git(mate.folder, "pull", "-q", "origin", "main")
    ana.install(sys.executable, wheels, **PINS)
    ben.install(python_of("3.12" if sys.version_info[1] != 12 else "3.11"), wheels, **PINS)
    cem.install(sys.executable, wheels, **{**PINS, "tensorflow": "2.6.0"})
    for mate, threads in ((ana, "8"), (ben, "8"), (cem, "4")):
        mate.report(threads)
    for mate in mates.values():
        mate.git(mate.folder, "pull", "-q", "--rebase")
    return mates


@pytest.fixture
def reports(team: dict[str, Mate]) -> Iterator[Path]:
    """Ana's folder of reports, put back afterwards."""
    folder = team["ana"].folder / "lockfiles/reports/train"
    before = {path: path.read_bytes() for path in folder.iterdir()}
    yield folder
    for path in folder.iterdir():
        path.unlink()
    for path, raw in before.items():
        path.write_bytes(raw)


def test_the_odd_one_on_each_factor(team: dict[str, Mate]) -> None:
    """Without arguments the kept reports are compared: who differs, and in what, whoever of the three asks."""
    for mate in team.values():
        said = mate.run("compare", "--json", code=1).json
        assert sorted(Path(name).stem for name in said["reports"]) == ["ana", "ben", "cem"]
        odd = {each["subject"]: [Path(name).stem for name in each["odd"]] for each in said["disagreements"]}
        assert odd["tensorflow"] == ["cem"]
        assert odd["threads"] == ["cem"]
        assert odd["python"] == ["ben"]
        assert said["disagreements"][0]["subject"] == "tensorflow"
        assert {Path(each["report"]).stem: each["trusted"] for each in said["columns"]} == dict.fromkeys(team, True)


def test_each_is_judged_against_the_lock(team: dict[str, Mate]) -> None:
    """`verify --report` tells of every teammate what `verify` would tell there, and who vouches for it."""
    for name, code in {"ana": 0, "ben": 1, "cem": 1}.items():
        said = team["ana"].run("verify", "train", "--report", f"lockfiles/reports/train/{name}.json", code=code)
        assert f"signed by {name}@example.com" in said.out
    assert "tensorflow" in said.out


@pytest.mark.parametrize(
    ("forgery", "reference"),
    [
        ("altered", "wrong-signature"),
        ("other-report", "wrong-signature"),
        ("other-purpose", "wrong-signature"),
        ("stranger", "unknown-signer"),
        ("unsigned", "unsigned-report"),
    ],
)
def test_forged_and_altered_reports_are_refused(
    team: dict[str, Mate], reports: Path, tmp_path: Path, forgery: str, reference: str
) -> None:
    """Whatever is done to Cem's report so that he seems to match, it is exit code 4, and that wherever it is read."""
    report, signature = reports / "cem.json", reports / "cem.json.sig"
    if forgery == "altered":
        report.write_bytes(report.read_bytes().replace(b"2.6.0", b"2.5.0"))
    elif forgery == "other-report":
        signature.write_bytes((reports / "ana.json.sig").read_bytes())
    else:
        signature.unlink()
    key = tmp_path / "key"
    if forgery == "stranger":
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    if forgery in ("stranger", "other-purpose"):
        signer = str(key if forgery == "stranger" else team["cem"].key)
        purpose = "envlock-report" if forgery == "stranger" else "file"
        command = ["ssh-keygen", "-q", "-Y", "sign", "-n", purpose, "-f", signer, str(report)]
        subprocess.run(command, check=True, capture_output=True)
    ana = team["ana"]
    kept = "lockfiles/reports/train"
    assert f"[{reference}]" in ana.run("compare", code=4).err
    ana.run("compare", "--allow-unsigned", code=1 if forgery == "unsigned" else 4)
    if forgery == "altered":
        for words in (
            ("verify", "train", "--report", f"{kept}/cem.json"),
            ("diff", f"{kept}/ana.json", f"{kept}/cem.json"),
        ):
            assert f"[{reference}]" in ana.run(*words, code=4).err
        for words in (("review", "HEAD"), ("--offline", "status")):
            assert f"[{reference}]" in ana.run(*words, code=4).out
