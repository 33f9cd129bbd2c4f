"""A team in one repository: clones, keys, signed reports that go from one to the other through git."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.integration.project import Project
from tests.unit.repositories import GitRepository


class Teammate(Project):
    """A clone of the team's repository, with an SSH key of its own beside it."""

    def __init__(self, name: str, repository: GitRepository, cache: Path | None) -> None:
        folder = repository.folder.parent / name
        repository.clone(folder)
        super().__init__(folder, None, cache=cache)
        self.name = name
        self.clone = GitRepository(folder)
        self.key = folder.with_suffix(".key")
        make_key(self.key, f"{name}@laptop")

    @property
    def signer(self) -> str:
        """The line of allowed_signers that names this teammate."""
        kind, key = self.key.with_suffix(".key.pub").read_text("utf-8").split()[:2]
        return f'{self.name}@example.com namespaces="envlock-report" {kind} {key}\n'

    def share_report(self, env: str, *options: str, environment: dict[str, str] | None = None) -> None:
        """Keep a signed report, and push the commit of it."""
        self.clone.git("pull", "-q", "--rebase", "origin", "main")
        words = ["report", env, "--as", self.name, "--sign", str(self.key), *options]
        self.ok(*words, environment=environment)
        self.clone.commit(f"Report of {self.name}", author=self.name.title())
        self.clone.git("push", "-q", "origin", "HEAD:main")


def make_key(path: Path, comment: str) -> None:
    """Make an SSH key without a passphrase."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)], check=True)


def make_team(project: Project, folder: Path, *names: str) -> list[Teammate]:
    """Make a repository of a locked project's manifest, inputs and locks, cloned by each of these people."""
    work = GitRepository(folder / "work")
    for name in (".gitattributes", "envlock.toml", "pyproject.toml", "lockfiles"):
        source = project.folder / name
        if source.exists():
            subprocess.run(["cp", "-r", str(source), str(work.folder)], check=True)
    (work.folder / ".gitignore").write_text(".venv*/\n.envlock/\n")
    work.commit("Lock")
    work.git("clone", "-q", "--bare", ".", str(folder / "origin"))
    origin = GitRepository.__new__(GitRepository)
    origin.folder = folder / "origin"
    team = [Teammate(name, origin, project.cache) for name in names]
    first = team[0]
    (first.folder / "lockfiles/allowed_signers").write_text("".join(each.signer for each in team), "utf-8")
    first.clone.commit("Name who signs reports", author=names[0].title())
    first.clone.git("push", "-q", "origin", "HEAD:main")
    return team


def odd_ones(project: Project, *options: str) -> dict[str, set[str]]:
    """Return whom `compare` finds to be odd, by name, each with the subjects that results may differ by."""
    result = project.run("compare", "--json", *options)
    assert result.code == 1, result.err + result.out
    return {name: set(each["subjects"]) for each in json.loads(result.out)["odd"] for name in each["reports"]}
