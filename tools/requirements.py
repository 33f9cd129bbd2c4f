"""Print a pylock as requirements with hashes, for an installer that is not there yet: standard library only."""

import sys
import tomllib
from pathlib import Path


def main(lock: str) -> None:
    """Print one pinned requirement a line."""
    for package in tomllib.loads(Path(lock).read_text("utf-8"))["packages"]:
        hashes = " ".join(f"--hash=sha256:{wheel['hashes']['sha256']}" for wheel in package["wheels"])
        print(f"{package['name']}=={package['version']} {hashes}")


if __name__ == "__main__":
    main(sys.argv[1])
