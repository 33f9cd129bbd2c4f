"""Nothing that teammates share says whose machine it was made on: a planted identity is looked for in every byte."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.programs import need
from tests.integration.project import Project
from tests.unit.reviewed import Team
from tests.unit.wheels import make_wheel

HOST, USER, SECRET = "planted-host-7f3a", "planted-user-5c1e", "planted-secret-9d2b"
MANIFEST = f"""\
[env.train]
python = "{sys.version_info[0]}.{sys.version_info[1]}"
frameworks = {{ tensorflow = "==2.5.0" }}
dependencies = ["numpy", "six"]
inputs = ["train.csv"]
"""
PINS = {"tensorflow": "2.6.0", "numpy": "1.19.5", "six": "1.15.0"}
_MACHINE = (
    *Path("/sys/class/net").glob("*/address"),
    *(Path("/sys/class/dmi/id").glob("*_serial")),
    Path("/sys/class/dmi/id/product_uuid"),
    Path("/etc/machine-id"),
)


def needles(folder: Path) -> dict[str, bytes]:
    """Return what may stand nowhere, by what it is: the planted identity, and this machine's own marks."""
    found = {"host": HOST, "user": USER, "secret": SECRET, "folder": str(folder)}
    for path in _MACHINE:
        try:
            text = path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if len(text) >= 8 and text.strip("0:-") and text.lower() not in ("not specified", "to be filled by o.e.m."):
            found[str(path)] = text
    addresses = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()
    found |= {f"address {number}": text for number, text in enumerate(addresses)}
    return {name: text.encode() for name, text in found.items()}


class Planted:
    """A clone of somebody whose every name is known, on a host of its own name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / USER
        self.home.mkdir()
        (self.home / ".netrc").write_text(f"machine example.com login {USER} password {SECRET}\n")
        (self.home / ".netrc").chmod(0o600)
        (self.home / ".docker").mkdir()
        (self.home / ".docker/config.json").write_text(f'{{"auths": {{"example.com": {{"auth": "{SECRET}"}}}}}}')
        self.key = self.home / "key"
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"{USER}@{HOST}", "-f", str(self.key)]
        subprocess.run(command, check=True)
        self.project = Project(folder / "churn", None, cache=folder / "cache")
        self.variables = {
            "HOME": str(self.home),
            "USER": USER,
            "LOGNAME": USER,
            "HOSTNAME": HOST,
            "HF_TOKEN": SECRET,
            "TF_CONFIG": f'{{"cluster": {{"worker": ["{HOST}:2222"]}}, "password": "{SECRET}"}}',
            "XLA_FLAGS": f"--xla_dump_to={self.home}/dump",
            "UV_DEFAULT_INDEX": f"https://{USER}:{SECRET}@example.com/simple",
            "GIT_CONFIG_SYSTEM": os.devnull,
        }

    def git(self, *words: str) -> None:
        """Run git as the team knows this person, which the machine does not."""
        who = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com", "-c", "init.defaultBranch=main")
        subprocess.run(["git", *who, *words], cwd=self.project.folder, check=True, capture_output=True)

    def run(self, *words: str, codes: tuple[int, ...] = (0, 1)) -> str:
        """Run envlock on the planted host and return all that it printed."""
        script = f'hostname {HOST} && exec "$@"'
        command = ("unshare", "--user", "--map-root-user", "--uts", "sh", "-c", script, "sh")
        result = self.project.run_command(
            *command, sys.executable, "-m", "envlock", "--offline", *words, environment=self.variables
        )
        assert result.code in codes, result.err + result.out
        return result.out + result.err


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """A project with two commits and an environment that is not what is locked."""
    need("unshare", "ssh-keygen", "hostname")
    made = Planted(tmp_path_factory.mktemp("privacy"))
    folder = made.project.folder
    team = Team(folder, MANIFEST)
    team.write(".gitignore", b".venv*/\n.envlock/\nout/\n")
    team.write("train.csv", b"1,0\n")
    team.lock()
    made.git("init", "-q")
    made.git("add", ".")
    made.git("commit", "-qm", "Lock")
    team.write("envlock.toml", MANIFEST.replace("2.5.0", "2.6.0").encode())
    team.lock(tensorflow="2.6.0")
    made.git("commit", "-qam", "Take 2.6")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    (site,) = (folder / ".venv").glob("lib/python*/site-packages")
    for name, version in {**PINS, "six": "1.16.0"}.items():
        shutil.unpack_archive(make_wheel(made.folder / "wheels", name, version), site, "zip")
    (site / "own.pth").write_text(f"{made.home}/code\n")
    (folder / "out").mkdir()
    return made


def test_what_is_shared_names_nobody(planted: Planted) -> None:
    """Reports, their signatures, comparisons, diffs, logs, reviews and verdicts in every form that is sent on."""
    for words in (("--quick", "--as", "quick"), ("--full", "--as", "full")):
        planted.run("report", "train", *words, "--sign", str(planted.key))
    shared = []
    for form in ("junit", "sarif", "markdown", "html"):
        planted.run("verify", "train", "--full", "--output", f"{form}:out/verdict.{form}")
    shared.append(planted.run("verify", "train", "--format", "github"))
    for form in ("json", "markdown", "html"):
        planted.run("compare", "--output", f"{form}:out/compare.{form}")
    both = ("HEAD~1:train", "lockfiles/reports/train/full.json")
    for options in ((), ("--json",), ("--format", "markdown")):
        shared.append(planted.run("diff", "HEAD~1:train", "train", *options))
        shared.append(planted.run("diff", *both, *options))
        shared.append(planted.run("log", "train", *options))
        shared.append(planted.run("review", "HEAD~1", *options))
    shared.append(planted.run("review", "HEAD~1", "HEAD", "--format", "github"))
    texts = {str(number): text.encode() for number, text in enumerate(shared)}
    written = [*planted.project.folder.glob("lockfiles/**/*"), *planted.project.folder.glob("out/*")]
    texts |= {path.name: path.read_bytes() for path in written if path.is_file()}
    assert {"quick.json", "full.json", "quick.json.sig", "compare.html", "verdict.sarif"} <= set(texts)
    marks = needles(planted.folder)
    found = {
        (name, what): re.search(b".{0,60}" + re.escape(mark) + b".{0,20}", text)
        for name, text in texts.items()
        for what, mark in marks.items()
        if mark in text
    }
    assert not found


def test_errors_hold_no_secret(planted: Planted) -> None:
    """What goes wrong is told with places of this machine, for whoever sits at it, and never with a credential."""
    for words in (
        ("lock", "train", "-U"),
        ("sync", "train"),
        ("verify", "train", "--image", "example.com/team/churn:v1"),
        ("compare", "nowhere.json"),
        ("status", "--json"),
    ):
        assert SECRET not in planted.run(*words, codes=(0, 1, 2, 3, 4))
