"""What uv's failures mean: by its exit status, and where that is not enough by the words it has for them."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from envlock.errors import UsageError
from envlock.model.edges import BuildRefusedError, MetadataUnknownError, Resolution

UNSATISFIABLE = 1
"""uv's exit status where no set of releases will do; 2 is usage, network or parsing."""
_CREDENTIALS = re.compile(r"(?<=://)\S+@|(?<=\?)[^\s`')]+")
"""User names and passwords of URLs, up to the last @, and their queries."""
_UNBUILT = re.compile(r"Failed to build `([^`=\s]+)==([^`]+)`")
_UNBUILT_SOURCE = re.compile(r"Failed to build|The build backend returned an error")
_REFUSED_SDIST = re.compile(r"Wheels are required for `([^`]+)`")
_STATUS = re.compile(r"\b(401|403|404|407|408|429|5\d\d)(?: [A-Z][a-z]+)+")
_URL = re.compile(r"https?://[^\s`')]+")
_NO_SOLUTION = "No solution found"
_ABSENT = re.compile(r"(\S+) was not found in the (?:package registry|provided package locations)|no versions of (\S+)")
_BROKEN = re.compile(
    r"invalid package format|Failed to (?:unzip|read) wheel|structure of `[^`]+` \([^)]*\) was invalid"
)
_LINE = re.compile(r"(?:error: )?(.+?)(?: at|:) ([^\s:]+):(\d+):(\d+)$", re.MULTILINE)
_NEXT = {
    "401": "Give credentials for that index: in its URL, in netrc or by keyring.",
    "403": "Check that the index's URL is right and that your credentials may read from it.",
    "404": "Check the index's URL; it is that of a Simple API (PEP 503), and often ends with /simple.",
    "429": "The index asks for fewer requests: wait a minute and run the command again.",
}
_UNREACHABLE = "Check the network and the index's URL, or use --offline with what the cache holds."


class Failure(NamedTuple):
    """What uv said, without credentials and without the names of temporary files."""

    status: int
    explanation: str
    hint: str


def failure(status: int, stderr: str, folder: str = "") -> Failure:
    """Split uv's complaint into its explanation and its hints; `folder` is taken off paths."""
    text = without_credentials(stderr.strip())
    if folder:
        text = text.replace(folder + os.sep, "")
    explanation, _, hint = text.partition("hint:")
    return Failure(status, explanation.strip(), re.sub(r"\s*\n\s*hint:\s*", "\n", hint).strip())


def without_credentials(text: str) -> str:
    """Return a text without the user names, passwords and queries of its URLs."""
    return _CREDENTIALS.sub("***@", text)


def explain(failed: Failure, wanted: Resolution) -> UsageError:
    """Return the error of a resolution.

    It is MetadataUnknownError, or UsageError (`unlockable-source`, `build-refused`, `index-refused`, `broken-wheel`,
    `bad-requirements`, `unsatisfiable`, `resolver-failed`).
    """
    unbuilt = _UNBUILT.search(failed.explanation)
    if unbuilt:
        return MetadataUnknownError(*unbuilt.groups())
    if _UNBUILT_SOURCE.search(failed.explanation):
        return UsageError(
            "unlockable-source",
            "A requirement comes from a folder, an archive or a repository, which cannot be locked by its files.",
            found=failed.explanation,
            hint="Build a wheel of it and point a find-links folder at it.",
        )
    refused = _REFUSED_SDIST.findall(failed.hint)
    if refused:
        return BuildRefusedError(refused, failed.explanation)
    status = _STATUS.search(failed.hint) or _STATUS.search(failed.explanation)
    if status:
        return UsageError(
            "index-refused",
            f"A package index answered {status.group()}.",
            where=_where(failed),
            found="\n".join(part for part in (failed.explanation, failed.hint) if part),
            hint=_NEXT.get(status.group(1), "The index is out of order: try again later."),
        )
    if _BROKEN.search(failed.explanation):
        return UsageError(
            "broken-wheel",
            "A package index serves something else where a wheel should be.",
            found="\n".join(part for part in (failed.explanation, failed.hint) if part),
            hint="A proxy or a login page may stand before the index: open the file's URL in a browser. If the file "
            "itself is broken, take another version.",
        )
    if failed.status == UNSATISFIABLE and _NO_SOLUTION in failed.explanation:
        return UsageError(
            "unsatisfiable",
            f"The requirements cannot be satisfied for {_target(wanted)}.",
            found=failed.explanation,
            expected=f"a set of releases from before {wanted.cutoff}" if wanted.cutoff else "",
            hint=failed.hint or _way_out(failed.explanation, wanted),
        )
    line = _LINE.search(failed.explanation)
    if line:
        what, file, row, column = line.groups()
        return UsageError(
            "bad-requirements",
            "A requirements file cannot be read.",
            where=f"{file}, line {row}, column {column}",
            found=what,
            hint="Mend that line.",
        )
    hint = failed.hint or (_UNREACHABLE if "Failed to fetch" in failed.explanation else "")
    return UsageError(
        "resolver-failed", "uv could not resolve.", where=_where(failed), found=failed.explanation, hint=hint
    )


def _where(failed: Failure) -> str:
    url = _URL.search(failed.hint) or _URL.search(failed.explanation)
    return url.group().rstrip(".,:") if url else ""


def _way_out(explanation: str, wanted: Resolution) -> str:
    """Return the next step where uv has no hint: what an index does not have, no looser pin will find."""
    absent = _ABSENT.search(explanation)
    if absent and not wanted.cutoff:
        name = absent[1] or absent[2]
        return f"Check the name {name}, and that an index of this machine or of [[index]] has it."
    return "Try a later as-of, or loosen a pin." if wanted.cutoff else "Loosen a pin."


def _target(wanted: Resolution) -> str:
    glibc = f", glibc {wanted.glibc}" if wanted.platform.os == "linux" else ""
    return f"Python {wanted.python} on {wanted.platform}{glibc}"
