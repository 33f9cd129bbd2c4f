"""The `envlock` command: options that hold for every subcommand, and what becomes of errors."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from pathlib import Path
from typing import NoReturn

import click

from envlock import __version__
from envlock.cli import interrupt
from envlock.errors import EnvlockError

COMMANDS = {
    "init": "Write a first envlock.toml from what is here.",
    "add": "Add requirements to the manifest, and lock.",
    "remove": "Take requirements out of the manifest, and lock.",
    "lock": "Pin everything that decides a result, into lockfiles/.",
    "sync": "Make a local virtual environment match the lock.",
    "run": "Run a command in the locked environment, or in its image.",
    "verify": "Prove that an environment or an image matches the lock.",
    "fingerprint": "Keep the numbers that a locked environment gives on this hardware.",
    "report": "Say what is installed here, as a file to compare, sign and share.",
    "compare": "Say what reports of two machines or a hundred disagree in, and why it matters.",
    "build": "Build the image that the lock determines.",
    "push": "Publish the image of a lock, sending only what the registry lacks.",
    "pull": "Bring the image of a lock from its registry, each byte checked.",
    "tag": "Give an image in a registry another tag.",
    "copy": "Copy an image between registries and layouts, its digest kept.",
    "which": "Say which lock, environment and commit an image is of.",
    "status": "Say what this machine is able to do, and how the environments stand.",
    "diff": "Say what differs between two locks, revisions, images, reports or environments.",
    "log": "Tell the history of a lock: who changed what that matters, and when.",
    "review": "Say what a change of the locks means, for the pull request that makes it.",
    "rule": "Explain a rule of verify: what it checks, and why.",
    "merge-driver": "Merge locks in git by relocking.",
    "fetch": "Bring a lock's artifacts to this machine.",
    "export": "Write a lock in another tool's form.",
    "cache": "Show, check and shrink what envlock keeps on this machine.",
}


_FULL = "Make room; `envlock cache prune` does it in the cache, and ENVLOCK_CACHE_DIR puts the cache elsewhere."
_CLOSED = "Is it yours to write? For a cache of your own, set ENVLOCK_CACHE_DIR to another folder."


class _Commands(click.Group):
    """Subcommands imported when they are called, so that --help costs little more than click."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"envlock.cli.{name.replace('-', '_')}").command
        command.short_help = COMMANDS[name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            ctx.fail(f"No such command {args[0]!r}." + (f" Did you mean {near[0]!r}?" if near else ""))
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"auto_envvar_prefix": "ENVLOCK", "help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="envlock %(version)s")
@click.option("-C", "--directory", type=click.Path(path_type=Path), help="Run as if started in this folder.")
@click.option("-q", "--quiet", is_flag=True, help="No progress, and on success nothing but results.")
@click.option("--offline", is_flag=True, help="Use no network: only what is on this machine.")
@click.pass_context
def cli(ctx: click.Context, directory: Path | None, *, quiet: bool, offline: bool) -> None:
    """Lock, build and verify whole machine-learning environments.

    A lock in git pins packages, interpreter, operating system and settings; an image is a pure function of it; verify
    proves what a machine or an image really holds.

    Exit codes: 0 match, 1 drift or stale, 2 usage or I/O, 3 could not verify, 4 integrity failure.
    """
    if directory is not None:
        try:
            os.chdir(directory)
        except OSError as error:
            raise click.UsageError(f"--directory {directory}: {error.strerror}") from None
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    ctx.obj = {"quiet": quiet, "offline": offline}


def main() -> NoReturn:
    """Run the command line and exit with the designed code; no error shows a traceback."""
    interrupt.listen()
    try:
        code = cli(prog_name="envlock", standalone_mode=False)
    except EnvlockError as error:
        _say(error)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nInterrupted. Nothing is half-written; run the command again.", err=True)
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except UnicodeEncodeError as error:
        _say(
            EnvlockError(
                "no-utf-8",
                "A name has letters that this machine's encoding does not have.",
                expected="utf-8",
                found=error.encoding,
                hint="Set LC_ALL=C.UTF-8, and leave PYTHONUTF8 unset.",
            )
        )
        code = 2
    except OSError as error:
        full = error.errno == errno.ENOSPC
        what = "The disk is full." if full else f"{error.strerror or error}."
        hint = _FULL if full else _CLOSED if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) else ""
        where = str(error.filename or "")
        _say(EnvlockError("disk-full" if full else "io-error", what, where=where, hint=hint))
        code = 2
    except Exception as error:
        if os.environ.get("ENVLOCK_DEBUG"):
            raise
        _say(
            EnvlockError(
                "internal-error",
                "envlock failed in a way that it should not; this is a fault of envlock, not of yours.",
                found=f"{type(error).__name__}: {error}",
                hint="Run it again with ENVLOCK_DEBUG=1 and report what it prints.",
            )
        )
        code = 2
    sys.exit(code if isinstance(code, int) else 0)


def _say(error: EnvlockError) -> None:
    first, *rest = str(error).splitlines()
    color = False if os.environ.get("NO_COLOR") else None
    click.secho("error: ", fg="red", bold=True, nl=False, err=True, color=color)
    click.echo("\n".join([first, *rest]), err=True, color=color)
