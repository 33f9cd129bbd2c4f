"""Compares many reports, as users start it: wall time, CPU time and peak memory of whole processes.

python -m benchmarks.compare [--reports 1000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from tools.team import team

from benchmarks.verify import ENVLOCK, best, run, show
from envlock.formats.report import report_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    environment = dict(os.environ)
    for numbers in (False, True):
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "reports"
            folder.mkdir()
            for name, report in team(arguments.reports, numbers=numbers).items():
                (folder / f"{name}.json").write_bytes(report_bytes(report))
            size = sum(path.stat().st_size for path in folder.iterdir())
            for form in ("human", "html"):
                command = (*ENVLOCK, "compare", str(folder), "--format", form)
                found = best(run(command, Path(scratch), environment) for _ in range(arguments.rounds))
                told = f"{arguments.reports:,} reports, {size / 1e6:.0f} MB{', with numbers' if numbers else ''}"
                show(f"compare --format {form}", found, told)


if __name__ == "__main__":
    main()
