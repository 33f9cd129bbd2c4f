"""Every recipe gives a root in which its Python is whole: all of its standard library, and TLS that verifies."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from envlock.image.base import base_members
from envlock.image.root import remove, unpack
from envlock.model.lock import Base
from envlock.operations.fetch import fetch_debs
from tests.integration.roots import PLATFORM, edges, resolved

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare(1) is not there to enter a root"),
]

RECIPES = ("debian-bullseye-python3.9", "debian-bookworm-python3.11", "debian-trixie-python3.13")

NOT_THERE = {
    # Debian ships them in packages of their own, which no training job on a server wants.
    "_tkinter": "python3-tk: draws windows",
    "tkinter": "python3-tk: draws windows",
    "turtle": "python3-tk: draws windows",
    "turtledemo": "needs turtle",
    "idlelib": "idle: an editor that draws windows",
    "_gdbm": "python3-gdbm: a database of one program",
    # An environment's packages come from its lock, never from wheels that Debian bundles.
    "ensurepip": "python3-venv: installs pip from bundled wheels",
    # Debian builds without them.
    "ossaudiodev": "needs the kernel's old sound headers at build time",
    "_bootsubprocess": "only while CPython itself is being built",
    "_xxtestfuzz": "only in test builds of CPython",
    # It would open a browser.
    "antigravity": "opens a web browser when imported",
    # Other systems than Linux.
    **dict.fromkeys(
        (
            "_android_support _apple_support _ios_support _msi _overlapped _scproxy _winapi _wmi msilib msvcrt nt "
            "winreg winsound _winreg"
        ).split(),
        "not on Linux",
    ),
}
IMPORT_ALL = """
import importlib, json, pkgutil, sys
names = sorted(getattr(sys, "stdlib_module_names", ())) or json.loads(sys.argv[1])
skipped = set(json.loads(sys.argv[2]))
failed, count = {}, 0
def take(name):
    global count
    try:
        module = importlib.import_module(name)
        count += 1
        return module
    except BaseException as error:
        failed[name] = f"{type(error).__name__}: {error}"
for name in names:
    if name in skipped:
        continue
    module = take(name)
    for found in pkgutil.iter_modules(getattr(module, "__path__", ()) if module else (), name + "."):
        # Run as programs, these act when they are imported.
        if found.name.rpartition(".")[2] != "__main__" and found.name.rpartition(".")[2] not in skipped:
            take(found.name)
print(json.dumps({"count": count, "failed": failed, "version": sys.version.split()[0]}))
"""
SUBMODULES = {
    # Submodules that fail by design on Linux, or need what NOT_THERE names.
    "gnu": "dbm.gnu needs _gdbm",
    "windows_events": "asyncio on Windows",
    "windows_utils": "asyncio on Windows",
    "popen_spawn_win32": "multiprocessing on Windows",
    "_msvccompiler": "distutils on Windows",
    "msvccompiler": "distutils on Windows",
    "msvc9compiler": "distutils on Windows",
    "bdist_msi": "distutils on Windows",
    "mbcs": "an encoding of Windows",
    "oem": "an encoding of Windows",
    "cp65001": "an encoding of Windows",
    "windows_console": "_pyrepl on Windows",
    "wasm": "the web browser's Python",
}
TLS_CLIENT = """
import socket, ssl, sys
context = ssl.create_default_context()
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20) as plain:
    with context.wrap_socket(plain, server_hostname="localhost") as secured:
        print(secured.recv(64).decode())
"""


class Root:
    """An unpacked base of its own, which commands may write to."""

    def __init__(self, path: Path, base: Base) -> None:
        self.path = path
        self.base = base

    def run(self, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command chrooted in namespaces for users, mounts and processes, with this machine's network."""
        enter = 'mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'
        return subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "sh", "-c", enter, self.path, *argv],
            input=stdin,
            capture_output=True,
            text=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            timeout=300,
            check=False,
        )


@pytest.fixture(scope="module", params=RECIPES)
def root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    base = resolved(request.param)
    at = edges()
    debs = fetch_debs(base.of(PLATFORM), archives=at.archives, artifacts=at.artifacts, progress=at.progress)
    path = tmp_path_factory.mktemp("root") / request.param
    unpack(base_members(base, PLATFORM, lambda deb: debs[deb.sha256]), path)
    yield Root(path, base)
    remove(path)


def test_the_whole_standard_library_imports(root: Root) -> None:
    """All modules and their submodules import, but for those that are named with their reason."""
    listed = (Path(__file__).parent / "stdlib-3.9.txt").read_text().splitlines()
    names = json.dumps([name for name in listed if not name.startswith("#")])
    skipped = json.dumps([*NOT_THERE, *SUBMODULES])
    result = root.run(root.base.interpreter, "-I", "-W", "ignore", "-", names, skipped, stdin=IMPORT_ALL)
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["failed"] == {}, result.stderr
    assert found["version"] == root.base.python
    assert found["count"] > 700


def test_exceptions_are_still_exceptions(root: Root) -> None:
    """A module that is excused although it imports would hide what happens to it later."""
    excused = [name for name in NOT_THERE if name != "antigravity"]
    script = "import importlib.util, sys\nprint([n for n in sys.argv[1:] if importlib.util.find_spec(n)])"
    found = root.run(root.base.interpreter, "-I", "-c", script, *excused)
    # Without _tkinter, Debian still ships some of the modules above it.
    assert found.stdout.strip() in ("[]", "['tkinter']"), found.stderr


def test_libraries_are_found_by_name(root: Root) -> None:
    """ctypes finds libraries through /etc/ld.so.cache, which ldconfig itself reads and would write the same way."""
    names = ["c", "m", "z", "ssl", "crypto", "sqlite3", "ffi", "stdc++"]
    script = "import ctypes.util, sys; print([n for n in sys.argv[1:] if not ctypes.util.find_library(n)])"
    assert root.run(root.base.interpreter, "-c", script, *names).stdout.strip() == "[]"
    ours = root.run("ldconfig", "-p").stdout
    rewritten = root.run("sh", "-c", "ldconfig -C /tmp/cache && ldconfig -p -C /tmp/cache").stdout

    def libraries(listing: str) -> list[str]:
        # glibc 2.31 notes the kernel that a library of its own asks for; the linker does without.
        return [line.replace(", OS ABI: Linux 3.2.0", "") for line in listing.splitlines() if "=>" in line]

    assert libraries(ours) == libraries(rewritten)
    assert len(libraries(ours)) > 40


def test_ordinary_commands_work(root: Root) -> None:
    """The shell, awk through its alternative, time zones and accounts are those of an installed Debian."""
    script = """
    set -e
    awk 'BEGIN { print 6 * 7 }'
    which sh
    TZ=Europe/Berlin date -d @0 +%H
    date -d @0 +%Z
    id -un 65534
    stat -c %a /tmp /root /var/tmp
    find / -xdev -xtype l -not -path '/proc/*' -not -path '/dev/*'
    """
    result = root.run("sh", "-c", script)
    assert result.stdout.split() == ["42", "/usr/bin/sh", "01", "UTC", "nobody", "1777", "700", "1777"], result.stderr


def test_what_is_installed_is_written_down(root: Root) -> None:
    """Scanners find every locked package with its version, and the md5sums of its files."""
    status = root.path / "var/lib/dpkg/status.d"
    for deb in root.base.of(PLATFORM):
        assert f"\nVersion: {deb.version}\n" in (status / deb.name).read_text()
    assert "/usr/bin/mawk" in (root.path / "var/lib/dpkg/info/mawk.list").read_text().splitlines()


def test_tls_verifies_with_an_added_ca_and_fails_without(root: Root) -> None:
    """The default context refuses a server of an unknown CA, and accepts it once the CA is among the system's."""
    make_certificates(root)
    with tls_server(root.path / "tmp/chain.pem", root.path / "tmp/server.key") as port:
        refused = root.run(root.base.interpreter, "-I", "-c", TLS_CLIENT, str(port))
        assert "CERTIFICATE_VERIFY_FAILED" in refused.stderr, refused
        added = root.run(
            "sh", "-c", "cp /tmp/ca.crt /usr/local/share/ca-certificates/test.crt && update-ca-certificates"
        )
        assert added.returncode == 0, added.stderr
        accepted = root.run(root.base.interpreter, "-I", "-c", TLS_CLIENT, str(port))
        assert accepted.stdout == "verified\n", accepted.stderr


def make_certificates(root: Root) -> None:
    """Make a CA and a certificate for localhost, with the base's own openssl."""
    script = """
    set -e
    cd /tmp
    curve="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    openssl req -x509 $curve -keyout ca.key -out ca.crt -subj "/CN=Test CA" -days 7 -addext keyUsage=critical,keyCertSign
    openssl req $curve -keyout server.key -out server.csr -subj "/CN=localhost"
    printf 'subjectAltName=DNS:localhost\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n' > extensions
    openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 7 -extfile extensions -out server.crt
    cat server.crt ca.crt > chain.pem
    """
    made = root.run("sh", "-c", script)
    assert made.returncode == 0, made.stderr


@contextlib.contextmanager
def tls_server(chain: Path, key: Path) -> Iterator[int]:
    """Serve one word over TLS on a loopback port until the context ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()
        listener.settimeout(0.2)

        def serve() -> None:
            while not stop.is_set():
                with contextlib.suppress(OSError):
                    client, _ = listener.accept()
                    client.settimeout(20)
                    with client, context.wrap_socket(client, server_side=True) as secured:
                        secured.sendall(b"verified")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stop.set()
            thread.join()


def test_an_unprivileged_user_unpacks_the_same_root(tmp_path: Path) -> None:
    """Without root's rights the files, links and modes are the same; setuid is in nobody's root."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("setpriv(1) is not there to become another user")
