"""Everything that a team shares, made by somebody with secrets on a machine with a name: none of it is found again."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.integration.private import found_in, of_this_machine, search
from tests.integration.programs import need
from tests.integration.project import SMALL, Project, Result
from tests.integration.registry_server import serving
from tests.integration.teammates import make_key
from tests.unit.repositories import GitRepository

pytestmark = pytest.mark.network

PLANTED = {
    "zeldaquux": "user name",
    "quuxworkshop": "working folder",
    "quuxbox": "host name",
    "hunterquux2": "password of an index",
    "netrcquux3": "password of .netrc",
    "dockerquux4": "password of a registry",
    "apitokenquux5": "secret of the environment",
    "commentquux6": "comment of an SSH key",
    "gitnamequux7": "name that git knows",
}
"""Planted words, none of which is in any name of a file that is shared."""


class Somebody(Project):
    """A project on a machine with another host name, whose user has secrets; remembers all that was printed."""

    def __init__(self, folder: Path, manifest: str, *, cache: Path | None) -> None:
        super().__init__(folder, manifest, cache=cache)
        self.home = folder.parent
        self.printed: list[tuple[str, Result]] = []

    def run(self, *arguments: str, environment: dict[str, str] | None = None) -> Result:
        """Run envlock as somebody."""
        planted = {
            "HOME": str(self.home),
            "USER": "zeldaquux",
            "LOGNAME": "zeldaquux",
            "HOSTNAME": "quuxbox",
            "API_TOKEN": "apitokenquux5",
            "UV_INDEX_PRIVATE_PASSWORD": "hunterquux2",
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(self.home / "uv")),
        }
        command = ["unshare", "--uts", "sh", "-c", 'hostname quuxbox; exec "$@"', "sh", sys.executable, "-m", "envlock"]
        result = self.run_command(*command, *arguments, environment=planted | (environment or {}))
        self.printed.append((" ".join(arguments), result))
        return result


def test_nothing_says_who_or_where(built: Project, tmp_path: Path) -> None:
    """Locks, images, what is pushed and signed, and every form of every answer are searched, byte by byte."""
    need("unshare", "hostname", "ssh-keygen", root=True)
    home = tmp_path / "zeldaquux"
    with serving(tmp_path / "registry") as server:
        manifest = f'{SMALL}repository = "{server.address}/team/small"\n'
        project = Somebody(home / "quuxworkshop", manifest, cache=built.cache)
        shutil.copytree(built.folder / "lockfiles", project.folder / "lockfiles")
        (home / ".netrc").write_text("machine example.com login zeldaquux password netrcquux3\n")
        (home / ".netrc").chmod(0o600)
        (home / ".docker").mkdir()
        login = {"auths": {"example.com": {"username": "zeldaquux", "password": "dockerquux4"}}}
        (home / ".docker/config.json").write_text(json.dumps(login))
        (home / ".gitconfig").write_text("[user]\nname = gitnamequux7\nemail = gitnamequux7@example.com\n")
        make_key(home / "key", "commentquux6")
        repository = GitRepository(project.folder)
        (project.folder / ".gitignore").write_text(".venv*/\n.envlock/\n")
        for words in (["lock"], ["sync"], ["build"]):
            project.ok(*words)
        repository.commit("Lock")
        key = ["--sign", str(home / "key")]
        project.ok("push", "-t", "v1", "--sbom", *key)
        project.ok("report", "--full", "--as", "one", *key)
        project.ok("report", "--push", *key, "--json")
        project.ok("report", "--as", "two")
        for form in ("human", "json", "markdown", "html", "sarif", "junit", "github"):
            project.run("verify", "--format", form)
        report = "lockfiles/reports/small/one.json"
        project.run("verify", "--report", report)
        for form in ("human", "json", "markdown", "html"):
            project.run("compare", "--format", form)
        for words in (["compare", ":v1", report], ["diff", "small", report], ["diff", ":v1", "small", "--json"]):
            project.run(*words)
        for words in (["log", "-v"], ["log", "--json"], ["status", "--json"], ["which", ":v1"], ["review", "HEAD"]):
            project.run(*words)
        for words in (["verify", "gone"], ["compare", "gone.json"], ["diff", "gone:small", "small"], ["log", "v0"]):
            assert project.run(*words).code == 2
        needles = PLANTED | of_this_machine() | {str(tmp_path): "folder of the tests"}
        printed = [
            f"envlock {words}: {what}"
            for words, result in project.printed
            for what in found_in(result.out.encode(), needles) + found_in(result.err.encode(), needles)
        ]
        assert printed == []
        shared = [path for path in (project.folder / "lockfiles").rglob("*") if path.is_file()]
        shared += [project.folder / ".gitattributes", *(project.folder / ".envlock").rglob("*")]
        shared += server.blobs.rglob("data")
        assert len(shared) > 20
        assert search(shared, needles) == []


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """In plain bytes, in an inflated layer, in capitals; once for each blob."""
    needles = {"quuxbox": "host name"}
    (tmp_path / "sha256").mkdir()
    (tmp_path / "sha256/abc").write_bytes(gzip.compress(b"a tar of QuuxBox"))
    (tmp_path / "report.json").write_text('"quuxbox"')
    (tmp_path / "lock.toml").write_text("nothing")
    found = search(sorted(tmp_path.rglob("*")) * 2, needles)
    assert sorted({Path(line.partition(":")[0]).name for line in found}) == ["abc", "report.json"]
    assert sum("abc" in line for line in found) == 1
