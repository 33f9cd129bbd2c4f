"""The layers of docs/architecture.md hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_import_contracts() -> None:
    """import-linter keeps every contract of pyproject.toml."""
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def test_help_is_light() -> None:
    """`envlock --help` imports nothing heavy: it should cost little more than click."""
    heavy = ("docker", "git", "isal", "msgspec", "packaging", "pysequoia", "rich", "tomlkit", "urllib3", "uv")
    code = (
        "import sys, click.testing; from envlock.cli.main import cli\n"
        "result = click.testing.CliRunner().invoke(cli, ['--help'])\n"
        "assert result.exit_code == 0, result.output\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
