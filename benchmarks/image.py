"""Builds and pushes the image of a lock, beside `docker build` with uv and a cache mount, and `docker push`.

    python benchmarks/image.py [ENV] [--project DIR] [--bump REQUIREMENT] [--rounds 1]

Each row is a build and a push, to a registry on loopback, bytecode compiled on both sides:

* cold: artifacts at hand (ours in the cache, Docker's on a loopback server), and the base built or loaded before the
  clock starts; nothing in the registry.
* plain: the same without bytecode.
* warm: the same image for a new repository, with whatever each side keeps of the first time: our layers, Docker's
  cache mount of uv. Docker builds with --no-cache: it has to when the requirements changed.
* mounts: the same image for one more repository of that registry, which has its layers elsewhere.
* bump: one small package changes.
* nothing: the same again.
* pull: the Engine pulls the image after the bump, having the one before.

The floor is reading the wheels of the lock, inflating them and hashing both sides, in one thread.
Needs root, and a Docker Engine and a registry from Debian.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import http.server
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from envlock.adapters.cache import Cache
from envlock.formats.inflate import RAW, feed, inflater
from envlock.formats.pylock import read_lock, wheels_of
from envlock.model.lock import Lock
from envlock.model.platform import Platform

AMD64 = Platform.parse("linux/amd64")
DOCKER = "/usr/bin/docker"
"""Debian's, which brings its own BuildKit."""

DOCKERFILE = """\
FROM base:envlock
COPY uv /usr/local/bin/uv
RUN uv venv --python {interpreter} /opt/new
COPY requirements.txt /
RUN --mount=type=cache,target=/var/cache/uv UV_CACHE_DIR=/var/cache/uv UV_LINK_MODE=copy \
    uv pip install --python /opt/new --no-index --find-links http://127.0.0.1:{port}/ \
    --require-hashes {compile} -r /requirements.txt
"""
BASE = """\
[env.base]
python = "{python}"
dependencies = ["six==1.16.0"]
as-of = "2021-06-01"
[env.base.image]
base = "{recipe}"
bytecode = {bytecode}
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def copyfile(self, source: Any, outputfile: Any) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # uv asks for a part, and closes
            super().copyfile(source, outputfile)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


class Ours:
    """A user's project with a cache of its own."""

    def __init__(
        self, project: Path, env: str, scratch: Path, repository: str, *, bump: str = "", bytecode: bool = True
    ) -> None:
        self.env, self.folder, self.cache = env, scratch / "project", scratch / "cache"
        self.folder.mkdir(parents=True)
        shutil.copytree(project / "lockfiles", self.folder / "lockfiles", ignore=shutil.ignore_patterns("envlock.sum"))
        for name in ("envlock.toml", "pyproject.toml"):
            shutil.copy(project / name, self.folder)
        manifest = self.folder / "envlock.toml"
        text = manifest.read_text()
        if bump:
            text = text.replace(f"[env.{env}]\n", f"[env.{env}]\nconstraints = [{json.dumps(bump)}]\n", 1)
        more = f"repository = {json.dumps(repository)}\n" + ("" if bytecode else "bytecode = false\n")
        text = text.replace(f"[env.{env}.image]\n", f"[env.{env}.image]\n{more}", 1)
        manifest.write_text(text)
        root = Cache().root
        link = os.link if root.stat().st_dev == scratch.stat().st_dev else shutil.copy2
        if not self.cache.exists():
            shutil.copytree(root / "files", self.cache / "files", copy_function=link)

    def run(self, *arguments: str, folder: Path | None = None) -> str:
        return subprocess.run(
            [sys.executable, "-m", "envlock", "-q", *arguments],
            cwd=folder or self.folder, env=os.environ | {"ENVLOCK_CACHE_DIR": str(self.cache)},
            check=True, stdout=subprocess.PIPE, text=True,
        ).stdout  # fmt: skip

    def push(self, repository: str) -> tuple[float, Any]:
        started = time.perf_counter()
        said = self.run("push", self.env, "-t", f"{repository}:bench", "--no-provenance", "--json")
        return time.perf_counter() - started, json.loads(said)


class Docker:
    """Docker's side: a context with the same pins, and an Engine of our own."""

    def __init__(self, url: str, context: Path, wheels_port: int, interpreter: str) -> None:
        from uv import find_uv_bin

        self.command = [DOCKER, "-H", url]
        self._context = context
        self._port, self._interpreter = wheels_port, interpreter
        context.mkdir()
        shutil.copy(find_uv_bin(), context / "uv")

    def wants(self, pins: list[str], *, bytecode: bool = True) -> None:
        (self._context / "requirements.txt").write_text("\n".join(pins) + "\n")
        compile_option = "--compile-bytecode" if bytecode else ""
        text = DOCKERFILE.format(interpreter=self._interpreter, port=self._port, compile=compile_option)
        (self._context / "Dockerfile").write_text(text)

    def push(self, repository: str, *options: str) -> float:
        started = time.perf_counter()
        name = f"{repository}:bench"
        environment = os.environ | {"DOCKER_BUILDKIT": "1"}
        build = ["build", "--quiet", "--network", "host", "-t", name, *options, str(self._context)]
        subprocess.run([*self.command, *build], check=True, stdout=subprocess.DEVNULL, env=environment)
        subprocess.run([*self.command, "push", "--quiet", name], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started

    def forget(self) -> None:
        """Drop the cache mount of uv and every built layer."""
        subprocess.run([*self.command, "builder", "prune", "--all", "--force"], check=True, stdout=subprocess.DEVNULL)

    def pull(self, name: str) -> float:
        started = time.perf_counter()
        subprocess.run([*self.command, "pull", "--quiet", name], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - started


@contextlib.contextmanager
def registry(folder: Path) -> Iterator[str]:
    folder.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = {
        "version": 0.1,
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
        "http": {"addr": address},
    }
    (folder / "config.yml").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        for _ in range(100):
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(f"http://{address}/v2/", timeout=5).close()
                break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def engine() -> Iterator[str]:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.integration.engine_fixture import start_engine, stop_engine, wait_for

    folder = Path(tempfile.mkdtemp(prefix="envlock-engine."))
    process, url = start_engine(folder)
    try:
        wait_for(process, url, folder)
        yield url
    finally:
        stop_engine(process, folder)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()


def base_of(lock: Lock, folder: Path, *, bytecode: bool) -> Path:
    assert lock.base is not None
    folder.mkdir(exist_ok=True)
    said = BASE.format(python=lock.python, recipe=lock.base.recipe, bytecode=str(bytecode).lower())
    (folder / "envlock.toml").write_text(said)
    return folder


def pins_of(lock: Lock, wheels: Path, cache: Cache) -> list[str]:
    pins = []
    for package, wheel in wheels_of(lock, AMD64):
        source = cache.get(wheel.sha256, wheel.name)
        assert source is not None, wheel.name
        if not (wheels / wheel.name).exists():
            shutil.copyfile(source, wheels / wheel.name)
        pins.append(f"{package.name}=={package.version} --hash=sha256:{wheel.sha256}")
    return pins


def floor(wheels: list[Path]) -> float:
    """Read, inflate, hash the compressed and the inflated bytes."""
    started = time.perf_counter()
    packed, plain = hashlib.sha256(), hashlib.sha256()
    for path in wheels:
        with zipfile.ZipFile(path) as archive, path.open("rb") as file:
            for entry in archive.infolist():
                file.seek(entry.header_offset + 26)
                skip = int.from_bytes(file.read(2), "little") + int.from_bytes(file.read(2), "little")
                file.seek(entry.header_offset + 30 + skip)
                stream = inflater(RAW) if entry.compress_type else None
                left = entry.compress_size
                while left:
                    piece = file.read(min(left, 1 << 20))
                    left -= len(piece)
                    packed.update(piece)
                    plain.update(b"".join(feed(stream, piece)) if stream else piece)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("env", nargs="?", default="tf25")
    parser.add_argument("--project", type=Path, default=Path.cwd())
    parser.add_argument("--bump", default="idna==2.9", help="the small package that changes, and its version")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--no-docker", action="store_true", help="ours and the floor alone")
    options = parser.parse_args()
    rows: dict[str, list[float]] = {}
    sent: dict[str, float] = {}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="envlock-bench.") as name, registry(Path(name) / "registry") as address:
            measure_ours(options, Path(name), address, rows, sent)
    if not options.no_docker:
        for _ in range(options.rounds):
            with (
                tempfile.TemporaryDirectory(prefix="envlock-bench.") as name,
                registry(Path(name) / "registry") as address,
                engine() as url,
            ):
                measure_docker(options, Path(name), address, url, rows)
    report({row: statistics.median(times) for row, times in rows.items()}, sent)


def measure_ours(
    options: argparse.Namespace, scratch: Path, address: str, rows: dict[str, list[float]], sent: dict[str, float]
) -> None:
    project, env = options.project.absolute(), options.env
    lock = read_lock(project / "lockfiles" / f"pylock.{env}.toml").lock
    first = f"{address}/bench/first"
    ours = Ours(project, env, scratch / "ours", first)
    bumped = Ours(project, env, scratch / "bumped", first, bump=options.bump)
    plain = Ours(project, env, scratch / "plain", f"{address}/plain/first", bytecode=False)
    for side in (bumped, plain):
        side.run("lock", env)
    for side in (ours, bumped, plain):
        side.run("fetch", env)
    bumped.cache = ours.cache
    for side, bytecode in ((ours, True), (plain, False)):
        folder = base_of(lock, side.folder.with_name("base"), bytecode=bytecode)
        side.run("lock", folder=folder)
        side.run("build", folder=folder)
    bumped.run("fetch", env)
    wheels = [Cache().get(wheel.sha256, wheel.name) for _, wheel in wheels_of(lock, AMD64)]

    def note(row: str, measured: tuple[float, Any]) -> None:
        rows.setdefault(f"ours {row}", []).append(measured[0])
        sent[row] = sum(row["bytes"] for row in measured[1]["pushed"])

    rows.setdefault("floor", []).append(floor([path for path in wheels if path is not None]))
    note("cold", ours.push(f"{address}/bench/first"))
    note("plain", plain.push(f"{address}/plain/first"))
    # By another name the registry is another one: nothing is mounted.
    note("warm", ours.push(f"{address.replace('127.0.0.1', 'localhost')}/bench/second"))
    note("mounts", ours.push(f"{address}/bench/third"))
    shutil.copy(ours.folder / "lockfiles" / "envlock.sum", bumped.folder / "lockfiles")
    note("bump", bumped.push(f"{address}/bench/first"))
    note("nothing", bumped.push(f"{address}/bench/first"))


def measure_docker(
    options: argparse.Namespace, scratch: Path, address: str, url: str, rows: dict[str, list[float]]
) -> None:
    project, env = options.project.absolute(), options.env
    ours = Ours(project, env, scratch / "ours", f"{address}/ours/first")
    bumped = Ours(project, env, scratch / "bumped", f"{address}/ours/first", bump=options.bump)
    bumped.cache = ours.cache
    bumped.run("lock", env)
    bumped.run("fetch", env)
    cache = Cache(ours.cache)
    wheels = scratch / "wheels"
    wheels.mkdir()
    old, new = (read_lock(side.folder / "lockfiles" / f"pylock.{env}.toml").lock for side in (ours, bumped))
    pins, bumped_pins = pins_of(old, wheels, cache), pins_of(new, wheels, cache)
    base = base_of(old, scratch / "base", bytecode=True)
    ours.run("lock", folder=base)
    ours.run("build", "-o", f"docker-archive:{scratch / 'base.tar'}", "-t", "base:envlock", folder=base)
    assert old.base is not None

    def note(row: str, seconds: float) -> None:
        rows.setdefault(f"docker {row}", []).append(seconds)

    with served(wheels) as port:
        docker = Docker(url, scratch / "context", port, old.base.interpreter)
        load = [*docker.command, "load", "-q", "-i", str(scratch / "base.tar")]
        subprocess.run(load, check=True, stdout=subprocess.DEVNULL)
        docker.wants(pins, bytecode=False)
        note("plain", docker.push(f"{address}/docker/plain"))
        docker.forget()
        docker.wants(pins)
        note("cold", docker.push(f"{address}/docker/first"))
        note("warm", docker.push(f"{address}/other/second", "--no-cache"))
        note("mounts", docker.push(f"{address}/docker/third"))
        docker.wants(bumped_pins)
        note("bump", docker.push(f"{address}/docker/first"))
        note("nothing", docker.push(f"{address}/docker/first"))
        ours.push(f"{address}/ours/first")
        note("pull before", docker.pull(f"{address}/ours/first:bench"))
        bumped.push(f"{address}/ours/first")
        note("pull", docker.pull(f"{address}/ours/first:bench"))


def report(rows: dict[str, float], sent: dict[str, float]) -> None:
    print(f"{'build and push':<10} {'envlock':>9} {'docker':>9} {'ratio':>8} {'sent':>10}")
    for row, amount in sent.items():
        ours, theirs = rows[f"ours {row}"], rows.get(f"docker {row}")
        beside = f"{theirs:7.1f} s {theirs / ours:6.1f} ×" if theirs else f"{'':>18}"
        print(f"{row:<14} {ours:7.2f} s {beside} {amount / 1e6:7.2f} MB")
    for row in ("pull before", "pull"):
        if f"docker {row}" in rows:
            print(f"{row:<14} {rows[f'docker {row}']:7.1f} s")
    print(f"{'floor':<14} {rows['floor']:7.2f} s   cold / floor {rows['ours cold'] / rows['floor']:.2f} ×")
    print(f"peak of any process of ours and docker's commands: {peak():.0f} MB RSS")


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3


if __name__ == "__main__":
    main()
