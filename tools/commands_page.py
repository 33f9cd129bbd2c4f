"""Prints the reference page of the commands: python tools/commands_page.py > docs/reference/commands.md."""

# ruff: noqa: E501  (a line of a page is a sentence)

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator

import click

from envlock.cli.main import cli

_HEAD = """\
# Commands

Written by `tools/commands_page.py` from the commands themselves; `envlock COMMAND --help` says the same.

Results go to stdout, progress and warnings to stderr, colour only to a terminal (`NO_COLOR` turns it off).
Options of `envlock` itself stand before the command: `envlock -C churn lock`.
[Exit codes](exit-codes.md) are the same everywhere.

Every option can be given as a variable, named in the last column: a flag is `1`, an option that may be repeated takes words between spaces.
`ENVLOCK_JSON=1` is `--json` for every command.
"""

_VARIABLES = """\
## Other variables

| variable | what it says |
| --- | --- |
| `ENVLOCK_CACHE_DIR` | where wheels, layers and what was read of them are kept; a folder that `envlock fetch --to` filled will do |
| `ENVLOCK_CACHE_SIZE` | how much of what envlock itself made may stay there, such as `20GB` (the default) or `none` |
| `ENVLOCK_DEBIAN_SOURCES` | templates of URLs where Debian's packages are, the first that answers counts ([images](../images.md)) |
| `ENVLOCK_REGISTRY_MIRRORS` | `HOST=MIRROR`, mirrors of registries for what is pulled |
| `ENVLOCK_SIGN_KEY` | the SSH key that reports and provenance are signed with |
| `ENVLOCK_ALLOWED_SIGNERS` | whose signatures of provenance count, for `envlock which` |
| `ENVLOCK_JSON` | `1`: every command prints JSON |
| `ENVLOCK_DEBUG` | `1`: a fault of envlock itself shows its traceback |
| `ENVLOCK_RUN` | set by `envlock run` for what it starts: the environment whose settings hold there |
| `NO_COLOR` | no colour |

Indexes and their credentials are those of uv and pip (`UV_INDEX_URL`, `PIP_INDEX_URL`, `uv.toml`, `pip.conf`, netrc), those of registries `docker login`'s.
"""


def page() -> str:
    """Return the page: the options of all commands, then each command with its usage, words and options."""
    root = click.Context(cli, info_name="envlock", auto_envvar_prefix="ENVLOCK")
    parts = [_HEAD, _index(root), "## envlock\n\n" + _body(root)]
    parts += [f"## {context.command_path}\n\n{_body(context)}" for context in contexts(root)]
    return "\n".join([*parts, _VARIABLES])


def contexts(above: click.Context) -> Iterator[click.Context]:
    """Yield a context of every command below one, a group before what is in it."""
    assert isinstance(above.command, click.Group)
    for name in above.command.list_commands(above):
        command = above.command.get_command(above, name)
        if command is None or command.hidden:
            continue
        context = click.Context(command, info_name=name, parent=above)
        yield context
        if isinstance(command, click.Group):
            yield from contexts(context)


def _index(root: click.Context) -> str:
    rows = [
        f"| [`{path}`](#{path.replace(' ', '-')}) | {_text(each.command.get_short_help_str(200))} |\n"
        for each in contexts(root)
        for path in [each.command_path]
    ]
    return "| command | what it does |\n| --- | --- |\n" + "".join(rows)


def _body(context: click.Context) -> str:
    command = context.command
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    told = inspect.cleandoc(command.help or "").partition("\f")[0].replace("\b\n", "")
    rows = [_row(context, option) for option in command.params if isinstance(option, click.Option)]
    table = "| option | what it does | variable |\n| --- | --- | --- |\n" + "".join(filter(None, rows))
    return f"```text\n{usage}\n```\n\n{_text(told)}\n\n{table}"


def _row(context: click.Context, option: click.Option) -> str:
    record = option.get_help_record(context)
    if record is None:
        return ""
    names, words = record
    variables = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or ())
    if not variables and option.allow_from_autoenv and option.expose_value and option.name:
        variables = [f"{context.auto_envvar_prefix}_{option.name.upper()}"]
    written = " ".join(f"`{name}`" for name in variables)
    return f"| `{names.replace('|', chr(92) + '|')}` | {_text(' '.join(words.split()))} | {written} |\n"


def _text(text: str) -> str:
    """Return text whose Markdown is its backticks alone, safe in a table's cell."""
    escaped = "`".join(
        part.replace("<", "&lt;").replace("*", "\\*").replace("[", "\\[") if at % 2 == 0 else part
        for at, part in enumerate(text.split("`"))
    )
    return escaped.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
