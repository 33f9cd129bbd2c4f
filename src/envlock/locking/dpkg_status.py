"""What an image's dpkg says that is installed: the packages that a delta need not bring."""

from __future__ import annotations

from collections.abc import Iterable

from envlock.errors import IntegrityError
from envlock.formats.control import paragraph
from envlock.locking.packages import Present, depends_of, provides_of


class Installed(Present, frozen=True, kw_only=True):
    """A package of an image, with its stanza."""

    stanza: bytes


def read_status(files: Iterable[bytes], where: str) -> tuple[Installed, ...]:
    """Return the installed packages of /var/lib/dpkg/status, or of the files in status.d, sorted by name.

    Files of status.d hold one package each and no Status field; in a status file, a package counts as installed only
    where its Status ends so (dpkg(1)). Raises IntegrityError (`bad-status`).
    """
    found: dict[str, Installed] = {}
    for raw in files:
        for block in raw.replace(b"\r\n", b"\n").split(b"\n\n"):
            stanza = block.strip(b"\n")
            if not stanza.strip():
                continue
            try:
                fields = paragraph(stanza.decode("utf-8"))
                if fields.get("Status", "installed").split()[-1:] != ["installed"]:
                    continue
                found[fields["Package"]] = Installed(
                    name=fields["Package"],
                    version=fields["Version"],
                    depends=depends_of(fields),
                    provides=provides_of(fields),
                    stanza=stanza,
                )
            except (KeyError, ValueError) as error:
                raise IntegrityError(
                    "bad-status", f"The list of installed packages cannot be read: {error}.", where=where
                ) from error
    return tuple(found[name] for name in sorted(found))
