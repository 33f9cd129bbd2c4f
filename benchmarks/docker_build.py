"""Builds the image of a lock and compares with `docker build` that installs the same wheels with uv.

    python benchmarks/docker_build.py [ENV] [--project DIR]

Both start with the wheels at hand (ours in the cache, Docker's on a loopback server) and with the base: Docker's is an
image of the base alone that was loaded before the clock starts, ours has that image's layers in its cache. Both compile
bytecode. A third figure is envlock's with nothing but artifacts at hand, the base built too.
Needs a Docker Engine from Debian and root.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import http.server
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from envlock.adapters.cache import Cache
from envlock.formats.pylock import read_lock, wheels_of
from envlock.model.platform import Platform

AMD64 = Platform.parse("linux/amd64")

DOCKERFILE = """\
FROM base:envlock
COPY uv requirements.txt /
RUN /uv venv --python {interpreter} /opt/new && /uv pip install --python /opt/new --no-index \
    --find-links http://127.0.0.1:{port}/ --require-hashes --compile-bytecode -r /requirements.txt
"""
BASE = """\
[env.base]
python = "{python}"
dependencies = ["six==1.16.0"]
as-of = "2021-06-01"
[env.base.image]
base = "{recipe}"
bytecode = true
"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def copyfile(self, source: Any, outputfile: Any) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # uv asks for a part, and closes
            super().copyfile(source, outputfile)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def envlock(folder: Path, cache: Path, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "envlock", "-q", *arguments],
        cwd=folder, env=os.environ | {"ENVLOCK_CACHE_DIR": str(cache)}, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("env", nargs="?", default="tf25")
    parser.add_argument("--project", type=Path, default=Path.cwd())
    options = parser.parse_args()
    lock_path = options.project / "lockfiles" / f"pylock.{options.env}.toml"
    lock = read_lock(lock_path).lock
    assert lock.base is not None
    envlock(options.project, Cache().root, "fetch", options.env)
    with tempfile.TemporaryDirectory(prefix="envlock-bench.") as name:
        scratch = Path(name)
        cache = Cache()
        wheels = scratch / "wheels"
        wheels.mkdir()
        pins = []
        for package, wheel in wheels_of(lock, AMD64):
            source = cache.get(wheel.sha256, wheel.name)
            assert source is not None
            shutil.copyfile(source, wheels / wheel.name)
            pins.append(f"{package.name}=={package.version} --hash=sha256:{wheel.sha256}")
        base = scratch / "base"
        base.mkdir()
        (base / "envlock.toml").write_text(BASE.format(python=lock.python, recipe=lock.base.recipe))
        envlock(base, cache.root, "lock")
        cold = build_ours(options.project, lock_path, options.env, cache.root, scratch / "cold", None)
        ours = build_ours(options.project, lock_path, options.env, cache.root, scratch / "warm", base)
        most = peak()
        theirs = build_docker(lock.base.interpreter, pins, wheels, base, scratch)
    print(f"envlock build {options.env}    {ours:6.1f} s   (peak {most:.0f} MB RSS of any process)")
    print(f"docker build, uv      {theirs:6.1f} s")
    print(f"docker / envlock      {theirs / ours:6.2f} ×")
    print(f"envlock, base too     {cold:6.1f} s")


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3


def build_ours(project: Path, lock_path: Path, env: str, root: Path, scratch: Path, base: Path | None) -> float:
    """Build with the files of the cache and nothing else of it, but the layers of a project that is built before."""
    folder, cold = scratch / "project", scratch / "cache"
    (folder / "lockfiles").mkdir(parents=True)
    for source in (project / "envlock.toml", project / "pyproject.toml"):
        shutil.copy(source, folder)
    shutil.copy(lock_path, folder / "lockfiles")
    link = os.link if root.stat().st_dev == folder.stat().st_dev else shutil.copy2
    shutil.copytree(root / "files", cold / "files", copy_function=link)
    if base is not None:
        envlock(base, cold, "build")
    started = time.perf_counter()
    envlock(folder, cold, "build", env, "-o", f"oci:{scratch / 'layout'}")
    return time.perf_counter() - started


def build_docker(interpreter: str, pins: list[str], wheels: Path, base: Path, scratch: Path) -> float:
    from uv import find_uv_bin

    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.integration.engine_fixture import start_engine, stop_engine, wait_for

    engine_folder = Path(tempfile.mkdtemp(prefix="envlock-engine."))
    process, url = start_engine(engine_folder)
    handler = functools.partial(Quiet, directory=str(wheels))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        wait_for(process, url, engine_folder)
        docker = ["docker", "-H", url]
        envlock(base, Cache().root, "build", "-o", f"docker-archive:{scratch / 'base.tar'}", "-t", "base:envlock")
        subprocess.run([*docker, "load", "-q", "-i", scratch / "base.tar"], check=True, stdout=subprocess.DEVNULL)
        context = scratch / "context"
        context.mkdir()
        shutil.copy(find_uv_bin(), context / "uv")
        (context / "requirements.txt").write_text("\n".join(pins) + "\n")
        (context / "Dockerfile").write_text(DOCKERFILE.format(interpreter=interpreter, port=server.server_port))
        started = time.perf_counter()
        subprocess.run(
            [*docker, "build", "--quiet", "--no-cache", "--network", "host", context],
            check=True, stdout=subprocess.DEVNULL, env=os.environ | {"DOCKER_BUILDKIT": "0"},
        )  # fmt: skip
        return time.perf_counter() - started
    finally:
        server.shutdown()
        stop_engine(process, engine_folder)


if __name__ == "__main__":
    main()
