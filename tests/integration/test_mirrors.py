"""The commands against indexes on loopback: mirrors, credentials, and indexes that fail."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.integration.index_server import (
    IndexServer,
    index_server,
    isolated_with_index,
    network_namespaces,
    serve_index,
)
from tests.integration.project import Project, Result
from tests.unit.wheels import make_wheel

__all__ = ["index_server"]

Serve = Callable[..., IndexServer]
USER, SECRET = "ana@example.com", "p@ss/w:ord"
MANIFEST = """\
[env.small]
python = "3.11"
dependencies = ["demo"]
"""
OMIT = MANIFEST + 'urls = "omit"\n'


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """An index's files: demo, which needs other."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    make_wheel(folder, "demo", "1.0", requires=("other>=1",))
    make_wheel(folder, "other", "2.0")
    return folder


class Machine:
    """A user's machine: a home, caches, and variables that name no index."""

    def __init__(self, folder: Path, manifest: str = MANIFEST) -> None:
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.project = Project(folder / "project", manifest, cache=folder / "cache")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("UV_", "PIP_", "ENVLOCK_", "NETRC", "XDG_"))}
        self.environ = kept | {
            "HOME": str(self.home),
            "ENVLOCK_CACHE_DIR": str(folder / "cache"),
            "UV_CACHE_DIR": str(folder / "uv-cache"),
        }

    def write(self, path: str, text: str) -> None:
        place = self.home / path[2:] if path.startswith("~/") else self.project.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")

    def run(self, *arguments: str) -> Result:
        # Every variable of the tests' own machine that names an index is set to nothing.
        silent = {k: "" for k in os.environ if k.startswith(("UV_", "PIP_"))}
        return self.project.run(*arguments, environment=silent | self.environ)

    def ok(self, *arguments: str) -> Result:
        result = self.run(*arguments)
        assert result.code == 0, result.err + result.out
        return result

    @property
    def lock(self) -> str:
        return self.project.lock_path().read_text("utf-8")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.skipif(not network_namespaces(), reason="no user and network namespaces here")
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("uv.toml", '[[index]]\nurl = "{url}"\ndefault = true\n'),
        ("~/.config/uv/uv.toml", '[[index]]\nurl = "{url}"\ndefault = true\n'),
        ("~/.config/pip/pip.conf", "[global]\nindex-url = {url}\n"),
        ("envlock.toml", '[[index]]\nname = "near"\nurl = "{url}"\nmirror-of = "default"\n' + MANIFEST),
    ],
)
def test_every_byte_comes_from_the_mirror(machine: Machine, wheels: Path, tmp_path: Path, path: str, text: str) -> None:
    """A uv.toml, a pip.conf or an [[index]] names a mirror, nothing else can be reached, and the commands work."""
    machine.write(path + ".in", text)
    command = f"{sys.executable} -m envlock"
    script = (
        f"cd {machine.project.folder} && {command} lock && rm -r {tmp_path}/cache && {command} sync && {command} verify"
    )
    done, requests = isolated_with_index(
        ["sh", "-c", script], wheels, cwd=tmp_path, log=tmp_path / "log", environment=machine.environ
    )
    assert done.returncode == 0, done.stderr + done.stdout
    served = {row.path for row in requests if row.status in (200, 206)}
    assert {f"/files/{wheel.name}" for wheel in wheels.iterdir()} <= served
    if path != "uv.toml":
        assert "127.0.0.1" not in machine.lock, "a mirror's URL is no part of a lock"


def test_omitted_urls_through_another_index(
    machine: Machine, index_server: Serve, wheels: Path, tmp_path: Path
) -> None:
    """A lock without URLs made with one index is filled from another one, and made again there byte for byte."""
    first, second = index_server(wheels), index_server(wheels, serve_json=False)
    machine.write("envlock.toml", OMIT)
    machine.environ["UV_DEFAULT_INDEX"] = first.url
    machine.ok("lock")
    assert "127.0.0.1" not in machine.lock
    asked = len(first.requests)
    elsewhere = Machine(tmp_path / "elsewhere", OMIT)
    elsewhere.environ["UV_DEFAULT_INDEX"] = second.url
    shutil.copytree(machine.project.folder / "lockfiles", elsewhere.project.folder / "lockfiles")
    elsewhere.ok("fetch")
    elsewhere.ok("lock", "--check")
    assert {f"/files/{wheel.name}" for wheel in wheels.iterdir()} <= set(second.paths())
    assert elsewhere.lock == machine.lock
    elsewhere.project.lock_path().unlink()
    elsewhere.ok("lock")
    assert elsewhere.lock == machine.lock
    assert len(first.requests) == asked


@pytest.mark.network
def test_omitted_urls_give_the_same_image(index_server: Serve, wheels: Path, tmp_path: Path) -> None:
    """Built through another index than it was locked with, an image has the same digest."""
    image = '\n[env.small.image]\nbase = "debian-bookworm-python3.11"\nbytecode = false\n'
    digests = []
    for number in range(2):
        server = index_server(wheels)
        machine = Machine(tmp_path / str(number), OMIT + image)
        machine.environ["UV_DEFAULT_INDEX"] = server.url
        if number == 0:
            machine.ok("lock")
            first = machine
        else:
            shutil.copytree(first.project.folder / "lockfiles", machine.project.folder / "lockfiles")
            (machine.project.folder / "lockfiles/envlock.sum").unlink(missing_ok=True)
        digests.append(machine.ok("build", "--json").json)
        assert server.asked_for("demo")
    assert digests[0] == digests[1]


def texts(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield every file below folders with its content, its name included."""
    for folder in folders:
        for path in folder.rglob("*"):
            content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
            yield path, str(path).encode() + b"\0" + content


@pytest.mark.parametrize("way", ["url", "netrc", "keyring"])
def test_credentials_are_written_nowhere(
    machine: Machine, index_server: Serve, wheels: Path, tmp_path: Path, way: str
) -> None:
    """An index that demands credentials is used by every command, and no file, log, error or cache name holds them."""
    server = index_server(wheels, credentials=(USER, SECRET))
    machine.environ["UV_DEFAULT_INDEX"] = server.url
    if way == "url":
        machine.environ["UV_DEFAULT_INDEX"] = server.url_with_credentials
    elif way == "netrc":
        secrets = tmp_path / "secrets/netrc"
        secrets.parent.mkdir()
        secrets.write_text(f"machine 127.0.0.1 login {USER} password {SECRET}\n")
        machine.environ["NETRC"] = str(secrets)
    else:
        command = tmp_path / "secrets/keyring"
        command.parent.mkdir()
        command.write_text(f"#!/bin/sh\nprintf '%s\\n' '{USER}' '{SECRET}'\n")
        command.chmod(0o755)
        machine.environ |= {"PATH": f"{command.parent}:{os.environ['PATH']}", "UV_KEYRING_PROVIDER": "subprocess"}
    machine.environ["UV_HTTP_RETRIES"] = "0"
    said = []
    for arguments in (["lock"], ["fetch"], ["sync"], ["verify", "--json"], ["lock", "-U", "--json"]):
        result = machine.ok(*arguments)
        said += [result.out, result.err]
    server.fail("/simple/demo/", 500)
    server.fail("other-2.0-py3-none-any.whl", 403)
    shutil.rmtree(tmp_path / "cache")
    shutil.rmtree(tmp_path / "uv-cache")
    shutil.rmtree(machine.project.folder / ".venv")
    shutil.rmtree(machine.project.folder / "lockfiles/wheels")
    for arguments in (["lock", "-U"], ["sync"]):
        result = machine.run(*arguments)
        assert result.code == 2, result.out + result.err
        said += [result.out, result.err]
    token = base64.b64encode(f"{USER}:{SECRET}".encode())
    needles = [SECRET.encode(), quote(SECRET, safe="").encode(), token, USER.encode(), quote(USER, safe="").encode()]
    everything = [*texts(machine.project.folder, machine.home, tmp_path / "cache", tmp_path / "uv-cache")]
    everything += [(Path("output"), text.encode()) for text in said]
    assert [(path, needle) for path, content in everything for needle in needles if needle in content] == []


FAILURES = {
    "unauthorised": (401, None, "credentials"),
    "forbidden": (403, None, "credentials"),
    "busy": (429, 3600, "wait"),
    "broken": (500, None, "again"),
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("page", [True, False])
def test_an_index_that_refuses(machine: Machine, index_server: Serve, wheels: Path, name: str, page: bool) -> None:
    """Each refusal is exit 2 with the status and a next step; the old lock stays as it is."""
    status, retry_after, hint = FAILURES[name]
    server = index_server(wheels)
    machine.environ |= {"UV_DEFAULT_INDEX": server.url, "UV_HTTP_RETRIES": "0"}
    machine.ok("lock")
    before = machine.lock
    shutil.rmtree(machine.environ["ENVLOCK_CACHE_DIR"])
    shutil.rmtree(machine.environ["UV_CACHE_DIR"])
    server.fail("/simple/demo/" if page else "demo-1.0-py3-none-any.whl", status, retry_after=retry_after)
    result = machine.run("lock", "-U")
    assert result.code == 2, result.out + result.err
    assert str(status) in result.err
    assert "next:" in result.err and hint in result.err.lower()
    assert machine.lock == before


@pytest.mark.parametrize(
    ("how", "code", "reference"),
    [("wrong-bytes", 4, "download-mismatch"), ("html", 2, "web-page"), ("truncated", 2, "fetch-failed")],
)
def test_a_file_that_is_not_the_file(
    machine: Machine, index_server: Serve, wheels: Path, how: str, code: int, reference: str
) -> None:
    """Wrong bytes are exit 4; a web page or half a file where a wheel should be are told as what they are."""
    server = index_server(wheels)
    machine.environ["UV_DEFAULT_INDEX"] = server.url
    machine.ok("lock")
    before = machine.lock
    shutil.rmtree(machine.environ["ENVLOCK_CACHE_DIR"])
    server.fail("demo-1.0-py3-none-any.whl", how)  # type: ignore[arg-type]
    result = machine.run("fetch")
    assert (result.code, f"[{reference}]" in result.err) == (code, True), result.err
    assert "next:" in result.err
    assert machine.lock == before
    assert not list(machine.project.folder.rglob("*.part"))


def test_a_release_that_is_gone(machine: Machine, index_server: Serve, wheels: Path) -> None:
    """A deleted release cannot be fetched, and the message names it with the way out."""
    with serve_index(wheels) as server:
        machine.environ["UV_DEFAULT_INDEX"] = server.url
        machine.ok("lock")
    shutil.rmtree(machine.environ["ENVLOCK_CACHE_DIR"])
    shutil.rmtree(machine.environ["UV_CACHE_DIR"])
    (wheels / "other-2.0-py3-none-any.whl").unlink()
    server = index_server(wheels)
    machine.environ["UV_DEFAULT_INDEX"] = server.url
    result = machine.run("fetch")
    assert result.code == 2, result.err
    assert "other" in result.err and "next:" in result.err


def test_a_pin_does_not_move_because_its_release_is_gone(machine: Machine, index_server: Serve, wheels: Path) -> None:
    """Locking again refuses to take another version unasked; the old lock stays, and -P lets the pin move."""
    make_wheel(wheels, "other", "1.5")
    server = index_server(wheels)
    machine.environ["UV_DEFAULT_INDEX"] = server.url
    machine.ok("lock")
    before = machine.lock
    del server.files["other-2.0-py3-none-any.whl"]
    shutil.rmtree(machine.environ["UV_CACHE_DIR"])
    result = machine.run("lock")
    assert result.code == 2, result.out + result.err
    assert "[pin-lost]" in result.err and "next: Let it move: envlock lock small -P other" in result.err
    assert machine.lock == before
    strict = machine.run("lock", "--check", "--strict")
    assert strict.code == 1 and "resolved again: other: 2.0 → 1.5" in strict.out
    result = machine.ok("lock", "-P", "other", "--json")
    (change,) = json.loads(result.out)["locks"][0]["changes"]
    assert (change["subject"], change["before"], change["after"]) == ("other", "2.0", "1.5")


def test_a_yanked_release(machine: Machine, index_server: Serve, wheels: Path) -> None:
    """A release that was yanked after it was locked is still fetched; a new lock takes another one."""
    make_wheel(wheels, "other", "1.5")
    server = index_server(wheels)
    machine.environ["UV_DEFAULT_INDEX"] = server.url
    machine.ok("lock")
    assert 'version = "2.0"' in machine.lock
    server.yanked["other-2.0-py3-none-any.whl"] = "broken"
    shutil.rmtree(machine.environ["ENVLOCK_CACHE_DIR"])
    shutil.rmtree(machine.environ["UV_CACHE_DIR"])
    machine.ok("fetch")
    machine.ok("lock", "-U")
    assert 'version = "1.5"' in machine.lock and 'version = "2.0"' not in machine.lock
