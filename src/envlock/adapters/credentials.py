"""User names and passwords for package indexes: where they are found, and which servers may see them."""

from __future__ import annotations

import itertools
import netrc
import os
import re
import shutil
import subprocess
import threading
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from envlock.adapters.index_settings import split_login
from envlock.errors import UsageError
from envlock.model.index import Index, Indexes, redact, url_origin

Pair = tuple[str, str]
_PATIENCE = 60
"""Seconds that a keyring may take; some ask a server."""


def variable(index_name: str) -> str:
    """Return how uv's variables spell an index's name: UV_INDEX_<this>_USERNAME."""
    return re.sub(r"[^A-Za-z0-9]", "_", index_name).upper()


def basic(user: str, secret: str) -> str:
    """Return the Authorization header of a name and password (RFC 7617, in UTF-8 as uv sends it)."""
    return "Basic " + b64encode(f"{user}:{secret}".encode()).decode("ascii")


class Credentials:
    """Finds credentials by URL; safe to use from several threads.

    In order: the URL's own, an index's of the same origin (from its settings or UV_INDEX_<NAME>_USERNAME and
    _PASSWORD), netrc (NETRC or ~/.netrc), and where settings enable it the keyring command. An origin is scheme, host
    and port: nothing found for one is given for another, but for netrc, which knows hosts alone.
    """

    def __init__(self, indexes: Indexes | None = None, environ: Mapping[str, str] = os.environ) -> None:
        self._indexes = indexes or Indexes()
        self._environ = environ
        self._netrc: netrc.netrc | bool | None = False
        self._asked: dict[tuple[str, str | None], Pair | None] = {}
        self._asking = threading.Lock()

    def for_url(self, url: str) -> Pair | None:
        """Return what a first request may bear, or None."""
        own = split_login(url)[1]
        if own is not None and own.password is not None:
            return own.user, own.password
        found = self._of_index(self._nearest(url))
        if found is None or found[1] is None or (own is not None and found[0] != own.user):
            user = own.user if own is not None else found[0] if found is not None else None
            row = self._of_netrc(url, defaults=False)
            return row if row is not None and user in (None, row[0]) else None
        return found[0], found[1]

    def after_refusal(self, url: str) -> Pair | None:
        """Return what a server that refused a request may be given then: netrc's default, the keyring's."""
        own, index = split_login(url)[1], self._nearest(url)
        known = self._of_index(index)
        user = own.user if own is not None else known[0] if known is not None else None
        row = self._of_netrc(url, defaults=True)
        if row is not None and user in (None, row[0]):
            return row
        found = self._of_keyring(index.url if index is not None else redact(url), user)
        # Some indexes take a token for a user name, with no password.
        return found or ((user, "") if user else None)

    def for_index(self, index: Index) -> tuple[str, str | None] | None:
        """Return user name and password (None where unknown) of an index itself; the keyring is asked if enabled."""
        found = self._of_index(index)
        if found is not None and found[1] is not None:
            return found
        return self.for_url(index.url) or self._of_keyring(index.url, found[0] if found else None) or found

    def _nearest(self, url: str) -> Index | None:
        """Return the index of the same origin that shares the longest path with a URL."""
        origin, path = url_origin(url), urlsplit(url).path.split("/")

        def shared(index: Index) -> int:
            pairs = zip(path, urlsplit(index.url).path.split("/"), strict=False)
            return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))

        same = [index for index in self._indexes.entries if url_origin(index.url) == origin]
        return max(same, key=shared, default=None)

    def _of_index(self, index: Index | None) -> tuple[str, str | None] | None:
        if index is None:
            return None
        prefix = f"UV_INDEX_{variable(index.name)}"
        user, password = self._environ.get(f"{prefix}_USERNAME"), self._environ.get(f"{prefix}_PASSWORD")
        login = self._indexes.logins.get(index.name)
        if user is None and password is None:
            return (login.user, login.password) if login is not None else None
        if password is None and login is not None and user == login.user:
            password = login.password
        return user if user is not None else (login.user if login is not None else ""), password

    def _of_netrc(self, url: str, *, defaults: bool) -> Pair | None:
        if self._netrc is False:
            self._netrc = _read_netrc(self._environ)
        parsed, host = self._netrc, urlsplit(url).hostname or ""
        if not isinstance(parsed, netrc.netrc):
            return None
        row = parsed.hosts.get(host) or (parsed.hosts.get("default") if defaults else None)
        return (row[0], row[2] or "") if row is not None else None

    def _of_keyring(self, url: str, user: str | None) -> Pair | None:
        if not self._indexes.keyring:
            return None
        key = (url, user)
        with self._asking:
            if key not in self._asked:
                answers = (_ask_keyring(service, user, self._environ) for service in (url, urlsplit(url).netloc))
                self._asked[key] = next((pair for pair in answers if pair), None)
            return self._asked[key]


def _read_netrc(environ: Mapping[str, str]) -> netrc.netrc | None:
    home = environ.get("HOME") or environ.get("USERPROFILE")
    names = [environ["NETRC"]] if environ.get("NETRC") else [f"{home}/{name}" for name in (".netrc", "_netrc") if home]
    for name in names:
        if Path(name).is_file():
            try:
                return netrc.netrc(name)
            except netrc.NetrcParseError as error:
                # Its message repeats the word that it stumbled on, which may be a password.
                raise UsageError(
                    "bad-netrc", "netrc cannot be read.", where=f"line {error.lineno}", hint="Mend that line."
                ) from None
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError("bad-netrc", "netrc cannot be read.", found=type(error).__name__) from None
    return None


def _ask_keyring(service: str, user: str | None, environ: Mapping[str, str]) -> Pair | None:
    """Run the keyring command as uv does: `keyring get SERVICE USER`, or `--mode creds` where no user is known."""
    command = shutil.which("keyring", path=environ.get("PATH"))
    if command is None:
        return None
    arguments = ["get", service, user] if user is not None else ["get", service, "--mode", "creds"]
    try:
        done = subprocess.run(
            [command, *arguments],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    if user is not None:
        return (user, lines[-1]) if lines and lines[-1] else None
    return (lines[0], lines[1]) if len(lines) == 2 else None
