"""Builds a layer of one wheel and compares it with the floor: the same wheel inflated and hashed twice.

    python benchmarks/splice.py tensorflow-2.5.0-….whl [--rounds 3]

The floor is the better of one thread that inflates and hashes in turn, and two threads that share the work.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from isal import isal_zlib

from envlock.formats.tar import Entry
from envlock.formats.wheel import WheelFile, open_wheel
from envlock.image.layer import Layer, LayerWriter

_BATCH = 4 << 20


def splice(wheel: WheelFile, path: Path) -> Layer:
    with LayerWriter(path) as layer:
        for entry in wheel.entries:
            mode = 0o755 if entry.executable else 0o644
            target = Entry(path=f"site-packages/{entry.name}", kind="file", mode=mode, size=entry.size)
            layer.spliced(target, wheel.raw(entry), method=entry.method, crc=entry.crc, origin=wheel.filename)
        return layer.finish()


def floor_one_thread(wheel: WheelFile) -> None:
    diff_id, digest = hashlib.sha256(), hashlib.sha256()
    for entry in wheel.entries:
        stream = isal_zlib.decompressobj(-15)
        for piece in wheel.raw(entry):
            digest.update(piece)
            diff_id.update(stream.decompress(piece) if entry.method else piece)


def floor_two_threads(wheel: WheelFile) -> None:
    diff_id, digest = hashlib.sha256(), hashlib.sha256()

    def consume(raw: list[bytes], plain: list[bytes]) -> None:
        digest.update(b"".join(raw))
        diff_id.update(b"".join(plain))

    with ThreadPoolExecutor(max_workers=1) as other:
        raw: list[bytes] = []
        plain: list[bytes] = []
        waiting = 0
        pending = other.submit(consume, [], [])
        for entry in wheel.entries:
            stream = isal_zlib.decompressobj(-15)
            for piece in wheel.raw(entry):
                raw.append(piece)
                plain.append(stream.decompress(piece) if entry.method else piece)
                waiting += len(raw[-1]) + len(plain[-1])
                if waiting >= _BATCH:
                    pending.result()
                    pending = other.submit(consume, raw, plain)
                    raw, plain, waiting = [], [], 0
        pending.result()
        consume(raw, plain)


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--name", help="the wheel's file name, where the path does not end with it")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    times: dict[str, list[float]] = {"splice": [], "one thread": [], "two threads": []}
    with open_wheel(arguments.wheel, arguments.name) as wheel, tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds):
            times["splice"].append(seconds(lambda: splice(wheel, Path(folder, "layer"))))
            if number == 0:
                rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            times["one thread"].append(seconds(lambda: floor_one_thread(wheel)))
            times["two threads"].append(seconds(lambda: floor_two_threads(wheel)))
    best = {name: min(values) for name, values in times.items()}
    floor = min(best["one thread"], best["two threads"])
    for name, value in best.items():
        print(f"{name:12} {value:6.2f} s")
    print(f"{'ratio':12} {best['splice'] / floor:6.2f}   splice against the better floor, best of {arguments.rounds}")
    print(f"{'RSS':12} {rss:6.0f} MiB after the first splice")


if __name__ == "__main__":
    main()
