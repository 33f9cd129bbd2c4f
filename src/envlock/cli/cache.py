"""`envlock cache`."""

from __future__ import annotations

import datetime
import os
import time
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from envlock.adapters.cache import Cache
    from envlock.operations.cache import Pruned

LIMIT = "20GB"
"""Of what was made on this machine, unless ENVLOCK_CACHE_SIZE says otherwise: forty images of TensorFlow or so."""
_DAY = 86_400
_MEANINGS = {
    "files": "wheels, packages and base layers, as fetched",
    "layers": "layers of images",
    "pulled": "layers of images from registries",
    "bytecode": "compiled modules, by their sources",
    "roots": "unpacked bases, where interpreters and compilers run",
    "built": "wheels built from source, with their logs",
    "resolver": "what the resolver keeps",
    "stats": "digests of verified files, by inode and time",
    "leftovers": "unfinished; `envlock cache prune` removes them",
}


def _size(ctx: click.Context, parameter: click.Parameter, text: str | None) -> int | None:  # noqa: ARG001
    from envlock.model.size import parse_size

    return None if text is None else parse_size(text)


_as_json = click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")


@click.group("cache", invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show, check and shrink what envlock keeps on this machine.

    Nothing in it is needed: what is missing is fetched or made again. What envlock makes or pulls, layers and unpacked
    roots, stays below ENVLOCK_CACHE_SIZE (20GB; none for no limit): the longest unused goes first, after builds.
    ENVLOCK_CACHE_DIR names another folder.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(show, as_json=False)


@command.command("show")
@_as_json
def show(*, as_json: bool) -> None:
    """Say what the cache holds, by kind."""
    from envlock.adapters.cache import Cache
    from envlock.model.size import size_text
    from envlock.operations.cache_items import KINDS, items

    root, limit = Cache().root, limit_of_made()
    found = items(root)
    kinds = {kind: [item for item in found if item.kind == kind] for kind in KINDS}
    if as_json:
        _print_json(
            directory=str(root),
            bytes=sum(item.size for item in found),
            limit=limit,
            kinds={
                kind: {
                    "items": len(own),
                    "bytes": sum(item.size for item in own),
                    "longest_unused": _moment(own[0].used) if own else None,
                }
                for kind, own in kinds.items()
            },
        )
        return
    click.echo(f"{root}: {size_text(sum(item.size for item in found))}")
    for kind, own in kinds.items():
        if own or kind != "leftovers":
            click.echo(f"  {kind:<9} {len(own):>6}  {size_text(sum(i.size for i in own)):>9}  {_MEANINGS[kind]}")
    bound = "has no limit" if limit is None else f"stays below {size_text(limit)}"
    click.echo(f"What was made here or pulled {bound}.")


@command.command("dir")
def directory() -> None:
    """Print the folder of the cache."""
    from envlock.adapters.cache import Cache

    click.echo(Cache().root)


@command.command("verify", short_help="Prove that nothing in it was damaged.")
@click.option("--fix", is_flag=True, help="Remove what is damaged; it is fetched or made anew when it is needed.")
@_as_json
@click.pass_context
def verify(ctx: click.Context, *, fix: bool, as_json: bool) -> int:
    """Hash every file and layer, and compare every unpacked root with how it was left.

    Exit 4 where bytes are not what they were, 1 where only a root is not as it was left, which also copying or
    restoring the cache does; 0 with --fix, once all of it is removed.
    """
    from envlock.adapters.cache import Cache
    from envlock.cli.progress import progress_for
    from envlock.operations.cache import verify as verify_cache

    checked = verify_cache(Cache(), progress_for(quiet=ctx.obj["quiet"]), fix=fix)
    left = [damage for damage in checked.damaged if not damage.removed]
    if as_json:
        import msgspec

        _print_json(**msgspec.to_builtins(checked))
    else:
        for damage in checked.damaged:
            click.echo(f"{'removed' if damage.removed else 'damaged'}: {damage.name}")
            click.echo(f"  expected  {damage.expected}\n  found     {damage.found}")
        busy = f", {checked.busy} being made and not looked at" if checked.busy else ""
        click.echo(
            f"{checked.checked} checked{busy}: {f'{len(checked.damaged)} damaged' if checked.damaged else 'all whole'}"
        )
        if left and not fix:
            click.echo("next: envlock cache verify --fix")
    return 4 if any(damage.kind != "roots" for damage in left) else 1 if left else 0


@command.command("prune", short_help="Remove what is not needed.")
@click.option("--keep", metavar="SIZE", callback=_size, help="Remove the longest unused until so much is left: 10GB.")
@click.option("--older-than", type=click.FloatRange(0), metavar="DAYS", help="Remove what was not used for so long.")
@click.option("--all", "everything", is_flag=True, help="Remove all that no process uses.")
@_as_json
def prune(*, keep: int | None, older_than: float | None, everything: bool, as_json: bool) -> None:
    """Remove what is not needed; what a running envlock uses or writes stays.

    Without options, what ended processes left unfinished, and layers and roots beyond ENVLOCK_CACHE_SIZE.
    """
    from envlock.adapters.cache import Cache
    from envlock.model.size import size_text
    from envlock.operations.cache import prune as prune_cache

    cache = Cache()
    if keep is None and older_than is None and not everything:
        done = shrink(cache)
    else:
        since = None if older_than is None else time.time() - older_than * _DAY
        done = prune_cache(cache, keep=keep, unused_since=since, everything=everything)
    removed = sum(item.size for item in done.removed)
    if as_json:
        _print_json(removed={"items": len(done.removed), "bytes": removed}, left=done.left, in_use=done.in_use)
        return
    click.echo(f"{len(done.removed)} removed, {size_text(removed)}; {size_text(done.left)} left")
    if done.in_use:
        click.echo(f"  {size_text(done.in_use)} of it would go, but a process uses it")


def shrink(cache: Cache | None = None) -> Pruned:
    """Keep what was made on this machine within its limit, and clear away what ended processes left.

    For the end of commands that make layers: what they used themselves stays.
    """
    from envlock.adapters.cache import Cache
    from envlock.operations.cache import prune as prune_cache
    from envlock.operations.cache_items import MADE

    return prune_cache(cache or Cache(), keep=limit_of_made(), kinds=MADE)


def expect_limit() -> None:
    """Raise UsageError (`bad-size`) before anything is made that `shrink` could not keep within its limit."""
    if os.environ.get("ENVLOCK_CACHE_SIZE"):
        limit_of_made()


def limit_of_made() -> int | None:
    """Return the bytes that layers and roots may have together, None for no limit; UsageError (`bad-size`)."""
    from envlock.model.size import parse_size

    text = os.environ.get("ENVLOCK_CACHE_SIZE") or LIMIT
    return None if text.lower() == "none" else parse_size(text, "ENVLOCK_CACHE_SIZE")


def _moment(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat(timespec="seconds")


def _print_json(**values: Any) -> None:
    import json

    click.echo(json.dumps({"schema": 1, **values}, indent=2))
