"""Every recipe gives a root in which its Python is whole: all of its standard library, and TLS that verifies."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from envlock.adapters.apt import apt_here
from envlock.image.base import base_members
from envlock.image.root import remove, unpack
from envlock.locking.base import resolve_base
from envlock.model.lock import Base
from envlock.model.recipe import load_recipe, packaged_recipe_folders
from envlock.operations.fetch import fetch_debs
from tests.integration.roots import PLATFORM, edges, resolved

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare(1) is not there to enter a root"),
]

RECIPES = ("debian-bullseye-python3.9", "debian-bookworm-python3.11", "debian-trixie-python3.13")

EXCUSED = {
    # Debian ships them in packages of their own, which no training job on a server wants.
    "_tkinter": "python3-tk draws windows",
    "tkinter": "python3-tk draws windows",
    "turtle": "needs tkinter",
    "turtledemo": "needs turtle",
    "idlelib": "an editor that draws windows",
    "_gdbm": "python3-gdbm: the database format of one old program",
    "dbm.gnu": "needs _gdbm",
    # An environment's packages come from its lock, never from wheels that Debian bundles.
    "ensurepip": "python3-venv installs pip from bundled wheels",
    "lib2to3.pgen2.conv": "imports a module of Python 2; broken in CPython's own source",
    # Other systems than Linux.
    **dict.fromkeys(
        [
            "_ios_support",
            "_msi",
            "_overlapped",
            "_pyrepl.windows_console",
            "_scproxy",
            "_winapi",
            "_wmi",
            "asyncio.windows_events",
            "asyncio.windows_utils",
            "distutils._msvccompiler",
            "distutils.command.bdist_msi",
            "distutils.msvc9compiler",
            "encodings.mbcs",
            "encodings.oem",
            "msilib",
            "msvcrt",
            "multiprocessing.popen_spawn_win32",
            "nt",
            "winreg",
            "winsound",
        ],
        "only on Windows, macOS or iOS",
    ),
}
IMPORT_ALL = """
import importlib, json, pkgutil, sys
waiting = sorted(getattr(sys, "stdlib_module_names", ())) or json.loads(sys.argv[1])
imported, failed = [], {}
while waiting:
    name = waiting.pop()
    # The first opens a web browser when imported, the others act as the programs they are.
    if name == "antigravity" or name.endswith(".__main__"):
        continue
    try:
        module = importlib.import_module(name)
    except BaseException as error:
        failed[name] = f"{type(error).__name__}: {error}"
        continue
    imported.append(name)
    waiting += [found.name for found in pkgutil.iter_modules(getattr(module, "__path__", ()), name + ".")]
print(json.dumps({"imported": imported, "failed": failed, "version": sys.version.split()[0]}))
"""
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
    """Every module and submodule imports, but for those that are excused, and nobody is excused without need."""
    listed = (Path(__file__).parent / "stdlib-3.9.txt").read_text().splitlines()
    names = json.dumps([name for name in listed if not name.startswith("#")])
    result = root.run(root.base.interpreter, "-I", "-W", "ignore", "-", names, stdin=IMPORT_ALL)
    found = json.loads(result.stdout.splitlines()[-1])
    assert {name: why for name, why in found["failed"].items() if name not in EXCUSED} == {}
    assert [name for name in found["imported"] if name in EXCUSED] == []
    assert len(found["imported"]) > 550
    assert found["version"] == root.base.python


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
    openssl req -x509 $curve -keyout ca.key -out ca.crt -subj "/CN=Test CA" -days 7 \\
        -addext keyUsage=critical,keyCertSign
    openssl req $curve -keyout server.key -out server.csr -subj "/CN=localhost"
    printf 'subjectAltName=DNS:localhost\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n' > extensions
    openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 7 \\
        -extfile extensions -out server.crt
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


@pytest.mark.parametrize("recipe", RECIPES)
def test_apt_and_the_closure_choose_the_same_packages(recipe: str) -> None:
    """So that the lock of a recipe does not depend on where it was made, but for the solver's name."""
    at = edges()
    solver = apt_here()
    if solver is None:
        pytest.skip("there is no apt 2.0 here")
    bases = [
        resolve_base(
            load_recipe(recipe, packaged_recipe_folders()),
            [PLATFORM],
            at.archives,
            lambda deb, archives: fetch_debs([deb], archives=archives, artifacts=at.artifacts, progress=at.progress)[
                deb.sha256
            ],
            now=at.now,
            with_build_packages=True,
            solver=each,
            progress=at.progress,
        )
        for each in (None, solver)
    ]
    assert [base.solver for base in bases] == ["closure", "apt"]
    assert msgspec.structs.replace(bases[1], solver="closure") == bases[0]
