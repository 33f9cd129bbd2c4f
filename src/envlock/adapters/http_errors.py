"""What a server's answers mean when they are not what was asked for, with the next step."""

from __future__ import annotations

import datetime
import email.utils
import re
from typing import TYPE_CHECKING

from envlock.errors import UsageError
from envlock.model.index import redact

if TYPE_CHECKING:
    import urllib3

_CONNECTION = re.compile(r"<[^>]*>: |^\('|', .*$|^[A-Za-z]+\([^)]*\): ")
"""What urllib3 says of its own objects around a cause."""


def retry_after(response: urllib3.BaseHTTPResponse) -> float | None:
    """Return the seconds that the server asks to wait (RFC 9110, 10.2.3), or None."""
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isdecimal():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:  # "-0000": the time is UTC, the sender's zone unknown (RFC 5322, 3.3)
        moment = moment.replace(tzinfo=datetime.UTC)
    return max(0.0, (moment - datetime.datetime.now(datetime.UTC)).total_seconds())


def refuse_web_page(url: str, response: urllib3.BaseHTTPResponse, start: bytes) -> None:
    """Say that a server sent a page, such as a proxy's or a login's, where a file should be; its digest says less."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "text/html" and start.lstrip()[:9].lower().startswith((b"<!doctype", b"<html", b"<head")):
        raise UsageError(
            "web-page",
            "The server sent a web page where a file should be.",
            where=redact(url),
            found=kind,
            hint="A proxy or a login page may stand before the index: open the URL in a browser, and give credentials.",
        )


def refusal(url: str, response: urllib3.BaseHTTPResponse) -> UsageError:
    """Return the error of a status from 400 on, with the next step."""
    status, wait = response.status, retry_after(response)
    reference, hint = "fetch-failed", ""
    if status == 401:
        reference = "credentials-missing"
        hint = (
            "Give them in netrc, as UV_INDEX_<NAME>_USERNAME and _PASSWORD, or in a keyring with "
            "UV_KEYRING_PROVIDER=subprocess; if they were given, they are wrong."
        )
    elif status == 403:
        hint = "The server knows who asks and refuses: ask its owner for access, or look for wrong credentials."
    elif status in (404, 410):
        reference = "not-found"
        hint = "The file is gone or the URL is wrong; some indexes also hide so what credentials would show."
    elif status == 429:
        reference = "rate-limited"
        hint = f"Wait {wait:.0f} seconds and run the command again." if wait else "Wait, and run the command again."
    elif status >= 500:
        hint = "The server is in trouble: run the command again later, or use a mirror."
    return UsageError(reference, f"The server answered {status}.", where=redact(url), hint=hint)


def failed(url: str, error: Exception) -> UsageError:
    """Return the error of a connection that failed, without what urllib3 says of its own objects."""
    cause = getattr(error, "reason", None) or error
    return UsageError(
        "fetch-failed",
        "The download failed.",
        where=redact(url),
        found=_CONNECTION.sub("", str(cause)),
        hint="Check the network, the proxy and SSL_CERT_FILE, then run the command again.",
    )
