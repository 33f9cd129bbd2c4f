"""The founding story, for real: the same code on TensorFlow 2.5 and 2.6, and why the results differ."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ENVLOCK = Path(sys.executable).with_name("envlock")
STORY = [
    ("Ana trains on TensorFlow 2.5, Ben on 2.6. What is different, and what of it changes results?",
     ["diff", "tf25", "tf26"], 0),
    ("Build both images from their locks: no Docker, no root, the same bytes on every machine.",
     ["build", "tf25", "tf26"], 0),
    ("Is Ana's image what Ana's lock says? Nothing is run, nothing is pulled.",
     ["verify", "tf25", "--image", "oci:.envlock/images/tf25"], 0),
    ("And Ben's image, held against Ana's lock?",
     ["verify", "tf25", "--image", "oci:.envlock/images/tf26"], 1),
]  # fmt: skip


def bold(text: str) -> str:
    """Mark a heading, on a terminal that wants colours."""
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text


def main() -> int:
    """Run the story; every step must end as told."""
    started = time.monotonic()
    for told, arguments, expected in STORY:
        print(f"\n{bold(f'# {told}')}\n$ envlock {' '.join(arguments)}", flush=True)
        found = subprocess.run([ENVLOCK, *arguments], check=False).returncode
        if found != expected:
            print(f"\nThe demo broke: exit code {found}, expected {expected}.", file=sys.stderr)
            return 1
        if expected:
            print(f"(exit code {found}: drift)")
    seconds = time.monotonic() - started
    print(f"\nThat was the story, in {seconds:.0f} s. The locks are in lockfiles/, the images in .envlock/.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
