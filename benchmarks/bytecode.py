"""Compiles the modules of a wheel as `build` does, beside `compileall` of the same files by the same interpreter.

    python benchmarks/bytecode.py tensorflow-2.5.0-….whl --lock lockfiles/pylock.tf25.toml [--rounds 3]

Both run in the root of the lock's base. Ours reads the sources out of the wheel, inflated and verified; compileall (one
worker, unchecked-hash files) finds them unpacked, and writes beside them.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from envlock.adapters.bytecode import FLAGS, RootCompiler
from envlock.adapters.sandbox import NamespaceSandbox
from envlock.cli.wiring import wire
from envlock.formats.pylock import read_lock
from envlock.formats.wheel import WheelFile, open_wheel
from envlock.model.edges import NoProgress
from envlock.model.index import Indexes
from envlock.operations.roots import unpacked_root

SITE = "/sources"


def sources(wheel: WheelFile) -> Iterator[tuple[str, bytes]]:
    for entry in wheel.entries:
        if entry.scheme == "site" and entry.name.endswith(".py"):
            yield f"{SITE}/{entry.path}", wheel.read(entry)


def ours(wheel: WheelFile, root: Path, interpreter: str) -> str:
    digest = hashlib.sha256()
    with RootCompiler(NamespaceSandbox(), root, interpreter) as compiler:
        for path, pyc in compiler.compile(sources(wheel)):
            digest.update(path.encode() + pyc)
    return digest.hexdigest()


def compileall(folder: Path, root: Path, interpreter: str) -> None:
    command = [*FLAGS, "-m", "compileall", "-q", "-f", "-j1", "--invalidation-mode", "unchecked-hash", SITE]
    process = NamespaceSandbox().start(
        root, [interpreter, *command], environment={"PYTHONHASHSEED": "0"}, binds={SITE: folder}
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.read()
    process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--name", help="the wheel's file name, where the path is another")
    parser.add_argument("--lock", type=Path, default=Path("lockfiles/pylock.tf25.toml"))
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    lock = read_lock(arguments.lock).lock
    if lock.base is None:
        parser.error("the lock has no base")
    edges = wire(Indexes(), NoProgress())
    root, interpreter = unpacked_root(lock.base, lock.platforms[0], edges, build=False), lock.base.interpreter
    with open_wheel(arguments.wheel, arguments.name) as wheel, tempfile.TemporaryDirectory() as name:
        count = size = 0
        for path, source in sources(wheel):
            target = Path(name, path.removeprefix(f"{SITE}/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source)
            count, size = count + 1, size + len(source)
        print(f"{count:,} sources, {size / 1e6:.1f} MB")
        digests, times = set(), []
        for _ in range(arguments.rounds):
            started = time.perf_counter()
            digests.add(ours(wheel, root, interpreter))
            between = time.perf_counter()
            compileall(Path(name), root, interpreter)
            ended = time.perf_counter()
            times.append((between - started, ended - between))
            print("ours {:.2f} s  compileall {:.2f} s  ratio {:.2f}".format(*times[-1], times[-1][0] / times[-1][1]))
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    best = [min(row) for row in zip(*times, strict=True)]
    print(f"ratio of the best {best[0] / best[1]:.2f}, {len(digests)} digest(s), {rss:.0f} MB RSS")


if __name__ == "__main__":
    main()
