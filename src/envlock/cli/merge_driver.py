"""`envlock merge-driver`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from envlock.cli.wiring import edges_of, manifest_here
from envlock.errors import EnvlockError


@click.command("merge-driver")
@click.option("--install", is_flag=True, help="Let git use it in this clone, and say so in .gitattributes.")
@click.argument("versions", nargs=-1, metavar="[ANCESTOR OURS THEIRS PATH]")
@click.pass_context
def command(ctx: click.Context, versions: tuple[str, ...], *, install: bool) -> int:
    """Merge locks by relocking: git calls this with the files %O %A %B %P.

    The merged manifest is locked anew; pins that only one side moved stay as that side has them. Where the manifest
    itself is in conflict, the lock is left with conflict markers, which `envlock lock` resolves.
    """
    if install == bool(versions) or len(versions) not in (0, 4):
        raise click.UsageError("Give --install, or the four arguments that git gives: %O %A %B %P.")
    return _install() if install else _merge(ctx, *versions)


def _install() -> int:
    from envlock.adapters.git import install_driver, repository
    from envlock.formats.beside import write_beside
    from envlock.operations.git_files import ATTRIBUTES, with_lines

    repo = repository(Path.cwd())
    install_driver(repo)
    path = manifest_here().folder / ".gitattributes"
    before = path.read_text("utf-8") if path.is_file() else ""
    after = with_lines(before, ATTRIBUTES)
    if after != before:
        write_beside(path, after.encode())
    click.echo("git merges locks of this clone by relocking\n  next: git add .gitattributes")
    return 0


def _merge(ctx: click.Context, ancestor: str, ours: str, theirs: str, path: str) -> int:
    from envlock.adapters.git import Merge, merge_file, repository
    from envlock.operations.merge import merge_locks

    ctx.obj["quiet"] = True
    repo = repository(Path.cwd())
    old, mine, other = (Path(name).read_bytes() for name in (ancestor, ours, theirs))
    try:
        files = Merge(repo, path, ancestor=old, ours=mine, theirs=other)
        merged = merge_locks(
            path, old, mine, other, tree=Path(repo.working_dir), files=files, edges_for=partial(edges_of, ctx)
        )
    except EnvlockError as error:
        _, conflicted = merge_file(repo, mine, old, other)
        Path(ours).write_bytes(conflicted)
        click.secho(f"envlock could not relock {path}: {error}", err=True)
        return 1
    Path(ours).write_bytes(merged)
    click.echo(f"envlock relocked {path}", err=True)
    return 0
