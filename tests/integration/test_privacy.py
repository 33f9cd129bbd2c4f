"""Everything that a team shares, made by somebody with secrets on a machine with a name: none of it is found again."""

from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path

import pytest

from tests.integration.index_server import serve_index
from tests.integration.private import found_in, of_this_machine, search
from tests.integration.programs import need
from tests.integration.project import SMALL, Project, Result
from tests.integration.registry_server import PASSWORD, serving
from tests.integration.teammates import make_key
from tests.unit.repositories import GitRepository
from tests.unit.wheels import make_wheel

pytestmark = pytest.mark.network

PLANTED = {
    "zeldaquux": "user name",
    "quuxworkshop": "working folder",
    "quuxbox": "host name",
    "hunterquux2": "password of an index, of a variable",
    "netrcquux3": "password of an index, of .netrc",
    PASSWORD: "password of a registry",
    "apitokenquux5": "secret of the environment",
    "commentquux6": "comment of an SSH key",
    "gitnamequux7": "name that git knows",
}
"""Planted words, none of which is in any name of a file that is shared. Each password is asked for and used."""
PRIVATE = """
[[index]]
name = "private"
url = "{private}"
packages = ["demo"]

[[index]]
name = "corp"
url = "{corp}"
packages = ["churn"]
"""


class Somebody(Project):
    """A project on a machine with another host name, whose user has secrets; remembers all that was printed."""

    def __init__(self, folder: Path, manifest: str, *, cache: Path | None, environment: dict[str, str]) -> None:
        super().__init__(folder, manifest, cache=cache)
        self.home = folder.parent
        self.environment = environment
        self.printed: list[tuple[str, Result]] = []

    def expect(self, code: int, *arguments: str) -> None:
        """Run envlock, and hold its exit code against the expected one."""
        result = self.run(*arguments)
        assert result.code == code, f"envlock {arguments}: exit {result.code}: {result.err}{result.out}"

    def run(self, *arguments: str, environment: dict[str, str] | None = None) -> Result:
        """Run envlock as somebody."""
        planted = self.environment | {
            "HOME": str(self.home),
            "USER": "zeldaquux",
            "LOGNAME": "zeldaquux",
            "HOSTNAME": "quuxbox",
            "API_TOKEN": "apitokenquux5",
            "UV_INDEX_PRIVATE_USERNAME": "zeldaquux",
            "UV_INDEX_PRIVATE_PASSWORD": "hunterquux2",
            "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR", str(self.home / "uv")),
        }
        command = ["unshare", "--uts", "sh", "-c", 'hostname quuxbox; exec "$@"', "sh", sys.executable, "-m", "envlock"]
        result = self.run_command(*command, *arguments, environment=planted | (environment or {}))
        self.printed.append((" ".join(arguments), result))
        return result


def test_nothing_says_who_or_where(built: Project, tmp_path: Path) -> None:
    """Locks, images, what is pushed and signed, and every form of every answer are searched, byte by byte."""
    need("unshare", "hostname", "ssh-keygen", "openssl", root=True)
    home = tmp_path / "zeldaquux"
    wheels = tmp_path / "wheels"
    (wheels / "demo").mkdir(parents=True)
    (wheels / "churn").mkdir()
    make_wheel(wheels / "demo", requires=("churn",))
    make_wheel(wheels / "churn", "churn", "9.0")
    with (
        serving(tmp_path / "registry", secure=True) as server,
        serve_index(wheels / "demo", credentials=("zeldaquux", "hunterquux2")) as private,
        serve_index(wheels / "churn", credentials=("zeldaquux", "netrcquux3")) as corp,
    ):
        logged_in = server.logged_in(home / ".docker", trusted=False)
        logged_in |= {"SSL_CERT_FILE": str(_trusted(tmp_path, server.certificate))}
        (home / ".netrc").write_text("machine 127.0.0.1 login zeldaquux password netrcquux3\n")
        (home / ".netrc").chmod(0o600)
        (home / ".gitconfig").write_text("[user]\nname = gitnamequux7\nemail = gitnamequux7@example.com\n")
        small = SMALL.replace('"pyyaml', '"demo", "pyyaml') + f'repository = "{server.address}/team/small"\n'
        manifest = small + PRIVATE.format(private=private.url, corp=corp.url)
        project = Somebody(home / "quuxworkshop", manifest, cache=built.cache, environment=logged_in)
        make_key(home / "key", "commentquux6")
        repository = GitRepository(project.folder)
        (project.folder / ".gitignore").write_text(".venv*/\n.envlock/\n")
        project.expect(0, "lock")
        project.expect(0, "sync")
        project.expect(0, "build")
        repository.commit("Lock")
        key = ["--sign", str(home / "key")]
        project.expect(0, "push", "-t", "v1", "--sbom", *key)
        project.expect(0, "report", "--full", "--as", "one", *key)
        project.expect(0, "report", "--push", *key, "--json")
        project.expect(0, "report", "--as", "two")
        for form in ("human", "json", "markdown", "html", "sarif", "junit", "github"):
            project.expect(0, "verify", "--format", form)
        report = "lockfiles/reports/small/one.json"
        project.expect(0, "verify", "--report", report)
        project.expect(0, "verify", "--image", ":v1", "--full")
        for form in ("human", "json", "markdown", "html"):
            project.expect(0, "compare", "--format", form)
        project.expect(0, "compare", ":v1", report)
        project.expect(0, "diff", "small", report)
        project.expect(0, "diff", ":v1", "small", "--json")
        for words in (["log", "-v"], ["log", "--json"], ["status", "--json"], ["which", ":v1"], ["review", "HEAD"]):
            project.expect(0, *words)
        for words in (["verify", "gone"], ["compare", "gone.json"], ["diff", "gone:small", "small"], ["log", "v0"]):
            project.expect(2, *words)
        for one in (private, corp):
            assert any(row.authorised and row.status == 200 for row in one.requests)
        assert any(" 201 " in line for line in server.requests())
        needles = PLANTED | of_this_machine() | {str(tmp_path): "folder of the tests"}
        printed = [
            f"envlock {words}: {what}"
            for words, result in project.printed
            for what in found_in(result.out.encode(), needles) + found_in(result.err.encode(), needles)
        ]
        assert printed == []
        shared = [path for path in (project.folder / "lockfiles").rglob("*") if path.is_file()]
        shared += (project.folder / ".envlock").rglob("*")
        shared += server.blobs.rglob("data")
        assert len(shared) > 20
        assert search(shared, needles).lines == []


def _trusted(folder: Path, certificate: Path) -> Path:
    """Return a file of whatever authorities this machine trusts, and one more."""
    import certifi

    known = (os.environ.get("SSL_CERT_FILE", ""), "/etc/ssl/certs/ca-certificates.crt", certifi.where())
    bundle = folder / "authorities.pem"
    bundle.write_bytes(b"\n".join(Path(name).read_bytes() for name in (*known, certificate) if Path(name).is_file()))
    return bundle


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """In plain bytes, in an inflated layer, in capitals; once for each blob."""
    needles = {"quuxbox": "host name"}
    (tmp_path / "sha256").mkdir()
    (tmp_path / "sha256/abc").write_bytes(gzip.compress(b"a tar of QuuxBox"))
    (tmp_path / "report.json").write_text('"quuxbox"')
    (tmp_path / "lock.toml").write_text("nothing")
    found = search(sorted(tmp_path.rglob("*")) * 2, needles).lines
    assert sorted({Path(line.partition(":")[0]).name for line in found}) == ["abc", "report.json"]
    assert sum("abc" in line for line in found) == 1
