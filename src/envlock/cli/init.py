"""`envlock init`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from envlock.errors import UsageError


@click.command("init")
@click.option("--env", default="train", show_default=True, help="Name of the environment.")
@click.option(
    "--python", default=None, metavar="X.Y", help="Python feature version; the project's by default, else this one's."
)
@click.option("--force", is_flag=True, help="Replace an envlock.toml that is there.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
def command(*, env: str, python: str | None, force: bool, as_json: bool) -> None:
    """Write a first envlock.toml from what is here.

    It goes by uv.lock, poetry.lock, requirements.txt, pyproject.toml and a virtual environment, and suggests this
    machine's hardware as a comment. In a git repository .gitattributes and .gitignore get the lines that locks need.
    """
    from envlock.adapters.machine import observe_machine
    from envlock.formats.beside import write_beside
    from envlock.operations.git_files import ATTRIBUTES, IGNORED, with_lines
    from envlock.operations.init import initial_manifest, next_steps, suggested_class
    from envlock.operations.surroundings import look_around

    folder = Path.cwd()
    path = folder / "envlock.toml"
    if path.exists() and not force:
        raise UsageError(
            "manifest-exists", "There is an envlock.toml already.", where=path.name, hint="Edit it, or --force."
        )
    found = look_around(folder, python=python, default_python=f"{sys.version_info.major}.{sys.version_info.minor}")
    text = initial_manifest(folder, found, env=env, machine=suggested_class(observe_machine()))
    write_beside(path, text.encode())
    in_git = any((parent / ".git").exists() for parent in (folder, *folder.parents))
    added = []
    for name, lines in ((".gitattributes", ATTRIBUTES), (".gitignore", IGNORED)) if in_git else ():
        before = (folder / name).read_text("utf-8") if (folder / name).is_file() else ""
        after = with_lines(before, lines)
        if after != before:
            write_beside(folder / name, after.encode())
            added.append(name)
    if as_json:
        click.echo(json.dumps({"schema": 1, "env": env, "wrote": [path.name, *added]}, indent=2))
    else:
        click.echo("\n".join(next_steps(env, added, in_git=in_git)))
