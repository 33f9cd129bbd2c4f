"""Whom signatures on reports are held against: the two options of every command that reads some, and what they mean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from envlock.model.manifest import Manifest
    from envlock.operations.reports import Trust

_Command = TypeVar("_Command", bound=Callable[..., Any])


def trust_options(command: _Command) -> _Command:
    """Give a command `--allowed-signers` and `--allow-unsigned`."""
    unsigned = click.option(
        "--allow-unsigned", is_flag=True, help="Take reports without a signature too, never those with a wrong one."
    )
    allowed = click.option(
        "--allowed-signers",
        envvar="ENVLOCK_ALLOWED_SIGNERS",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Take only reports that one of these keys signed (ssh-keygen, ALLOWED SIGNERS), else those of "
        "lockfiles/allowed_signers where there is such a file.",
    )
    return allowed(unsigned(command))


def trust_of(manifest: Manifest | None, allowed_signers: Path | None, *, allow_unsigned: bool) -> Trust:
    """Return whom a command trusts: the keys that it was given, else the project's, which every report needs then.

    Without either, git's own list (gpg.ssh.allowedSignersFile) names signers, and demands nothing.
    """
    from envlock.adapters.git_sources import allowed_signers as signers_of_git
    from envlock.adapters.ssh import SshKeygen
    from envlock.operations.reports import Trust

    own = manifest.signers_path if manifest is not None and manifest.signers_path.is_file() else None
    demanded = allowed_signers or own
    known = demanded or signers_of_git(manifest.folder if manifest is not None else Path.cwd())
    usable = known if known is not None and (demanded is not None or known.is_file()) else None
    return Trust(signatures=SshKeygen(), allowed=usable, demanded=demanded is not None, unsigned=allow_unsigned)
