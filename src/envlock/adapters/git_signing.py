"""Which SSH key git signs commits with here, so that the same one may be proposed for reports."""

from __future__ import annotations

from pathlib import Path

from envlock.adapters.git import repository
from envlock.errors import UsageError


def signs_with_ssh(folder: Path) -> bool:
    """Tell whether git signs with the SSH key of a file (git-config(1), gpg.format, user.signingKey)."""
    try:
        repo = repository(folder)
    except (UsageError, ImportError):  # GitPython raises the latter where there is no git
        return False
    with repo, repo.config_reader() as config:
        kind = config.get_value("gpg", "format", "")
        key = str(config.get_value("user", "signingkey", ""))
    return kind == "ssh" and key != "" and not key.startswith(("key::", "ssh-"))
