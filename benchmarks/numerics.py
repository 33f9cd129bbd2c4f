"""Runs the probes of the frameworks in an environment, beside what importing the framework costs.

    python -m benchmarks.numerics PYTHON [--rounds 3]

Both passes of each suite run as `envlock verify --numerics` runs them: a process a pass, every probe twice. The import
is the time until a framework has said its version, the probes are all that follows; the best of all rounds, of each.
The floor is the import alone, by the same interpreter: nobody can ask a framework anything without it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from envlock.adapters.probing import PythonProbing
from envlock.model.numerics import ProbeEnd
from envlock.model.passes import canonical, configured
from envlock.observe.numerics import run_suite
from envlock.observe.probe_sources import Source, every_source


class Timed:
    """A place for probes that adds up how long its processes took until the framework was loaded, and from there on."""

    def __init__(self, place: PythonProbing) -> None:
        self._place = place
        self.imports: list[float] = []
        self.probes: list[float] = []

    def run(
        self, script: bytes, variables: Mapping[str, str], told: Callable[[bytes], None], *, patience: float
    ) -> ProbeEnd:
        loaded: list[float] = []

        def timed(line: bytes) -> None:
            if line.startswith(b'{"loaded"'):
                loaded.append(time.perf_counter())
            told(line)

        started = time.perf_counter()
        end = self._place.run(script, variables, timed, patience=patience)
        ended = time.perf_counter()
        first = loaded[0] if loaded else ended
        self.imports.append(first - started)
        self.probes.append(ended - first)
        return end


def floor(python: Path, module: str) -> float | None:
    """Return the seconds of starting Python and importing a module; None where it is not there."""
    started = time.perf_counter()
    done = subprocess.run([python, "-c", f"import {module}"], capture_output=True)
    return time.perf_counter() - started if done.returncode == 0 else None


def measure(python: Path, source: Source) -> tuple[int, list[float], list[float]]:
    """Return (probes, seconds until loaded of each pass, seconds of the probes of each pass)."""
    place = Timed(PythonProbing(python))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    passes = {"canonical": canonical(environ, "cpu"), "configured": configured(environ, {}, "cpu")}
    suite = run_suite(place, source, passes)  # type: ignore[arg-type]
    return len(suite.probes), place.imports, place.probes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{'':<14} probes   one thread   configured      both   loading twice    import")
    for source in every_source():
        if floor(options.python, source.module) is None:
            continue
        imported = min(floor(options.python, source.module) or 0.0 for _ in range(options.rounds))
        rounds = [measure(options.python, source) for _ in range(options.rounds)]
        one, other = (min(each[2][at] for each in rounds) for at in (0, 1))
        loading = min(sum(each[1]) for each in rounds)
        print(
            f"{source.framework:<14}{rounds[0][0]:>7}  {one:>9.2f} s  {other:>9.2f} s  {one + other:>6.2f} s"
            f"  {loading:>12.2f} s  {imported:>6.2f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
