"""Indexes and credentials reach uv and the HTTP client, and nobody else: against indexes on loopback."""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from uv import find_uv_bin

from envlock.adapters.credentials import Credentials
from envlock.adapters.http import Http
from envlock.adapters.indexes import read_indexes
from envlock.adapters.pinned import PinnedPages
from envlock.adapters.uv_settings import settings_for
from envlock.errors import UsageError
from envlock.model.edges import NoProgress
from envlock.model.index import Index
from tests.integration.index_server import IndexServer, index_server
from tests.integration.project import Project
from tests.unit.wheels import make_wheel

__all__ = ["index_server"]

Serve = Callable[..., IndexServer]
SECRET = "p@ss/w:ord"
USER = "ana@example.com"


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """Wheels that anybody may publish: demo needs churn, and somebody took that name."""
    folder = tmp_path / "public"
    folder.mkdir()
    make_wheel(folder, "demo", "1.0", requires=("churn",))
    make_wheel(folder, "churn", "9.0")
    return folder


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A company's wheels."""
    folder = tmp_path / "private"
    folder.mkdir()
    make_wheel(folder, "churn", "1.0")
    return folder


class Machine:
    """A user's machine whose variables name no index."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(self.home)}

    def netrc(self, server: IndexServer, user: str, password: str) -> None:
        path = self.home / ".netrc"
        path.write_text(f'machine 127.0.0.1 login "{user}" password "{password}"\n')
        path.chmod(0o600)

    def keyring(self, user: str, password: str) -> None:
        """Put a keyring command on PATH that knows one password."""
        command = self.folder / "bin/keyring"
        command.parent.mkdir()
        command.write_text(
            "#!/bin/sh\n"
            'case "$*" in\n'
            f"  *--mode*) printf '%s\\n' '{user}' '{password}' ;;\n"
            f"  *' {user}') echo '{password}' ;;\n"
            "  *) exit 1 ;;\n"
            "esac\n"
        )
        command.chmod(0o755)
        self.environ["PATH"] = f"{command.parent}:{self.environ['PATH']}"

    def resolve(
        self,
        requirement: str,
        *manifest: Index,
        cutoff: str | None = None,
        package_cutoffs: Mapping[str, str] | None = None,
    ) -> list[dict[str, Any]]:
        """Resolve through uv with the settings that envlock gives it, then download what was selected."""
        indexes = read_indexes(manifest, self.folder, self.environ, root=self.folder)
        credentials = Credentials(indexes, self.environ)
        http = Http(credentials=credentials, sleep=lambda _: None)
        pinned = PinnedPages(indexes, http)
        settings = settings_for(
            indexes, credentials, pinned, self.folder / "uv", cutoff=cutoff, package_cutoffs=package_cutoffs or {}
        )
        config = self.folder / "given.toml"
        config.write_text(settings.text)
        assert SECRET not in settings.text
        command = [find_uv_bin(), "pip", "compile", "-", "--config-file", str(config), "--no-cache", "--no-header"]
        done = subprocess.run(
            [*command, "--format", "pylock.toml", "--python-version", "3.11"],
            env=self.environ | settings.environment | {"UV_PYTHON_DOWNLOADS": "never"},
            input=requirement,
            capture_output=True,
            text=True,
            check=False,
        )
        assert SECRET not in done.stdout + done.stderr
        assert done.returncode == 0, done.stderr
        packages: list[dict[str, Any]] = tomllib.loads(done.stdout)["packages"]
        for package in packages:
            (wheel,) = package["wheels"]
            with NoProgress().task("") as task:
                http.download(
                    wheel["url"], self.folder / "file", sha256=wheel["hashes"]["sha256"], size=None, progress=task
                )
        return packages


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def versions(packages: list[dict[str, Any]]) -> dict[str, str]:
    return {package["name"]: package["version"] for package in packages}


@pytest.mark.parametrize("way", ["url", "settings", "variables", "netrc", "keyring", "keyring-user"])
def test_credentials_reach_an_index_that_demands_them(
    machine: Machine, index_server: Serve, private: Path, way: str
) -> None:
    """By URL, uv.toml, variables, netrc and keyring: uv resolves, and the client downloads."""
    server = index_server(private, credentials=(USER, SECRET))
    manifest: tuple[Index, ...] = (Index(name="corp", url=server.url, default=True),)
    with_user = server.url_with_credentials.replace(":p%40ss%2Fw%3Aord", "")
    if way == "url":
        machine.environ["PIP_INDEX_URL"], manifest = server.url_with_credentials, ()
    elif way == "settings":
        (machine.folder / "uv.toml").write_text(f'[[index]]\nname = "corp"\nurl = "{server.url_with_credentials}"\n')
    elif way == "variables":
        machine.environ |= {"UV_INDEX_CORP_USERNAME": USER, "UV_INDEX_CORP_PASSWORD": SECRET}
    elif way == "netrc":
        machine.netrc(server, USER, SECRET)
    else:
        machine.keyring(USER, SECRET)
        machine.environ["UV_KEYRING_PROVIDER"] = "subprocess"
        if way == "keyring-user":
            machine.environ["UV_DEFAULT_INDEX"] = with_user
    assert versions(machine.resolve("churn", *manifest)) == {"churn": "1.0"}
    assert all(row.authorised for row in server.requests if row.status == 200)
    assert f"/files/{next(private.iterdir()).name}" in server.paths("GET")


def test_wrong_credentials(machine: Machine, index_server: Serve, private: Path) -> None:
    """What is refused is told without the password, with the ways to give the right one."""
    server = index_server(private, credentials=(USER, "another"))
    machine.netrc(server, USER, SECRET)
    indexes = read_indexes((Index(name="corp", url=server.url),), machine.folder, machine.environ, root=machine.folder)
    with pytest.raises(UsageError) as caught:
        Http(credentials=Credentials(indexes, machine.environ)).get(f"{server.url}/churn/", limit=1000)
    assert caught.value.reference == "credentials-missing"
    assert "netrc" in caught.value.hint
    assert SECRET not in str(caught.value)


def test_no_credentials_for_another_server(machine: Machine, index_server: Serve, private: Path) -> None:
    """A redirect to another server is followed without the credentials of the first one; its own ones are given."""
    there = index_server(private)
    here = index_server(private, credentials=(USER, SECRET))
    name = next(private.iterdir()).name
    here.redirects[f"/files/{name}"] = there.file_url(name)
    url = here.file_url(name).replace("://", "://ana%40example.com:p%40ss%2Fw%3Aord@")
    assert Http(credentials=Credentials(environ={})).get(url, limit=1 << 20) == (private / name).read_bytes()
    assert [row.authorised for row in there.requests] == [False]
    there.credentials = ("other", "word")
    table = Index(name="there", url=there.url)
    indexes = read_indexes((table,), machine.folder, machine.environ, root=machine.folder)
    environ = {"UV_INDEX_THERE_USERNAME": "other", "UV_INDEX_THERE_PASSWORD": "word"}
    assert Http(credentials=Credentials(indexes, environ)).get(url, limit=1 << 20)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_private_name_is_asked_of_its_index_alone(
    machine: Machine, index_server: Serve, private: Path, public: Path, as_json: bool
) -> None:
    """A project with an index of its own comes from there though a dependency of a public one names it."""
    server, other = index_server(private, serve_json=as_json), index_server(public)
    corp = Index(name="corp", url=server.url, explicit=True, packages=("Churn",))
    default = Index(name="public", url=other.url, default=True)
    assert versions(machine.resolve("demo", corp, default)) == {"demo": "1.0", "churn": "1.0"}
    assert not other.asked_for("churn")
    assert not server.asked_for("demo")


def test_a_private_name_that_its_index_lost(machine: Machine, index_server: Serve, private: Path, public: Path) -> None:
    """A project that its index no longer has is not looked for elsewhere."""
    server, other = index_server([]), index_server(public)
    corp = Index(name="corp", url=server.url, explicit=True, packages=("churn",))
    with pytest.raises(AssertionError, match="no versions of churn"):
        machine.resolve("demo", corp, Index(name="public", url=other.url, default=True))
    assert not other.asked_for("churn")


def test_a_private_name_in_a_folder(machine: Machine, index_server: Serve, private: Path, public: Path) -> None:
    """A folder of wheels that the manifest names serves its projects, whatever the cutoff."""
    other = index_server(public)
    folder = Index(name="wheels", url=str(private), format="flat", packages=("churn",))
    default = Index(name="public", url=other.url, default=True)
    indexes = read_indexes((folder, default), machine.folder, machine.environ, root=machine.folder)
    files = PinnedPages(indexes, Http()).write(machine.folder / "p", cutoff="2021-01-01T00:00:00Z", package_cutoffs={})
    assert [file.name for file in files.values()] == ["churn-1.0-py3-none-any.whl"]
    assert not other.asked_for("churn")


@pytest.mark.parametrize("flat", [True, False])
def test_cutoffs_of_pinned_projects(
    machine: Machine, index_server: Serve, private: Path, public: Path, flat: bool
) -> None:
    """A cutoff counts for projects with an index of their own too, and says so where the index has no upload times."""
    make_wheel(private, "churn", "2.0")
    times = {"churn-1.0-py3-none-any.whl": "2020-01-01T00:00:00Z", "churn-2.0-py3-none-any.whl": "2022-01-01T00:00:00Z"}
    server, other = index_server(private, upload_times=times), index_server(public)
    default = Index(name="public", url=other.url, default=True)
    corp = Index(name="corp", url=server.url, packages=("churn",))
    cutoff = "2021-01-01T00:00:00Z"
    assert versions(machine.resolve("demo", corp, default, cutoff=cutoff))["churn"] == "1.0"
    assert (
        versions(machine.resolve("demo", corp, default, cutoff=cutoff, package_cutoffs={"churn": "none"}))["churn"]
        == "2.0"
    )
    later = {"churn": "2023-01-01T00:00:00Z"}
    assert versions(machine.resolve("demo", corp, default, cutoff=cutoff, package_cutoffs=later))["churn"] == "2.0"
    timeless = index_server(private, upload_times=None)
    where = timeless.flat_url if flat else timeless.url
    corp = Index(name="corp", url=where, packages=("churn",), format="flat" if flat else "simple")
    with pytest.raises(UsageError, match="no-upload-times"):
        machine.resolve("demo", corp, default, cutoff=cutoff)
    corp = Index(name="corp", url=where, packages=("churn",), as_of="none", format="flat" if flat else "simple")
    assert versions(machine.resolve("demo", corp, default, cutoff=cutoff))["churn"] == "2.0"
    assert not other.asked_for("churn")


def test_as_of_none_for_an_index_without_upload_times(machine: Machine, index_server: Serve, public: Path) -> None:
    """The per-index opt-out admits what has no upload time."""
    server = index_server(public, upload_times=None)
    for as_of, found in ((None, False), ("none", True)):
        index = Index(name="old", url=server.url, default=True, as_of=as_of)
        if found:
            assert versions(machine.resolve("demo", index, cutoff="2021-01-01T00:00:00Z"))["demo"] == "1.0"
        else:
            with pytest.raises(AssertionError, match="exclude-newer"):
                machine.resolve("demo", index, cutoff="2021-01-01T00:00:00Z")


def test_yanked_and_python_requirements_pass_through(
    machine: Machine, index_server: Serve, private: Path, public: Path
) -> None:
    """What a page says of its files is told to uv unchanged: a yanked release is not chosen."""
    make_wheel(private, "churn", "2.0")
    server = index_server(private, yanked={"churn-2.0-py3-none-any.whl": 'broken & "bad"'})
    default = Index(name="public", url=index_server(public).url, default=True)
    corp = Index(name="corp", url=server.url, packages=("churn",))
    assert versions(machine.resolve("demo", corp, default))["churn"] == "1.0"


def test_a_folder_serves_a_colleague_too(tiny: Project, tmp_path: Path) -> None:
    """Where the index is a folder of the project, a clone is synced from it on a machine that has nothing else."""
    shutil.copytree(tiny.folder, tmp_path / "clone", ignore=shutil.ignore_patterns(".venv"))
    clone = Project(tmp_path / "clone", None, cache=tmp_path / "cache")
    assert clone.ok("sync").out.startswith("tiny: 1 package in .venv")
    clone.ok("verify", "--full")


def test_a_lock_names_no_file_of_a_machine(tmp_path: Path) -> None:
    """A URL of another scheme is never followed because a lock says so."""
    assert not read_indexes((), tmp_path, {}).may_use("file:///dev/zero")
