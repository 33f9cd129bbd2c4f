"""A package index on loopback: PEP 503, 691, 658 and 700, ranges, Basic auth, and every way to fail.

    with serve_index(folder_of_wheels) as index:
        run("uv", "pip", "compile", "--default-index", index.url, ...)
        assert index.paths("GET")

As a command it serves a folder while another command runs, which `isolated` uses in a network namespace without a
route: `python -m tests.integration.index_server --log LOG FOLDER -- COMMAND {url}`.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import functools
import hashlib
import html
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from email.parser import BytesHeaderParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlsplit

import msgspec
import pytest
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

_JSON = "application/vnd.pypi.simple.v1+json"
_HTML_TYPE = "text/html; charset=utf-8"
_LONG_AGO = "2020-01-01T00:00:00Z"

Mode = Literal["wrong-bytes", "html", "truncated"]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request that the index got."""

    method: str
    path: str
    authorised: bool
    """Whether it bore the right user name and password; without a demand for them, whether it bore any."""
    status: int
    range: str | None = None


class Failure(msgspec.Struct, kw_only=True):
    """How a path fails: with a status, or with a body that is not the file."""

    how: int | Mode
    times: int | None
    """None: for good."""
    retry_after: int | None


class IndexServer(ThreadingHTTPServer):
    """Serves files by project; its attributes may be changed while it runs."""

    daemon_threads = True

    def __init__(
        self,
        files: Path | Iterable[Path],
        *,
        upload_times: str | Mapping[str, str] | None = _LONG_AGO,
        credentials: tuple[str, str] | None = None,
        yanked: Mapping[str, str] | None = None,
        serve_json: bool = True,
        serve_metadata: bool = True,
        serve_ranges: bool = True,
        files_at: str | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.files = {path.name: path for path in _listed(files)}
        self.upload_times = upload_times
        """One moment for all, one for each file name, or None: the index knows none (PEP 700 fields left out)."""
        self.credentials = credentials
        """User name and password that every request must bear."""
        self.yanked = dict(yanked or {})
        """File name to reason."""
        self.serve_json = serve_json
        self.serve_metadata = serve_metadata
        self.serve_ranges = serve_ranges
        self.files_at = files_at
        """Where the pages say that files are, if elsewhere: the URL of another server's /files."""
        self.failures: dict[str, Failure] = {}
        self.redirects: dict[str, str] = {}
        """Path to URL (302)."""
        self.requests: list[Request] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """Let clients that hang up go, and say all other errors."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @property
    def origin(self) -> str:
        """Such as http://127.0.0.1:41234."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        """The Simple API's root, without credentials."""
        return f"{self.origin}/simple"

    @property
    def flat_url(self) -> str:
        """A page that links every file."""
        return f"{self.origin}/flat"

    @property
    def url_with_credentials(self) -> str:
        """The Simple API's root with the user name and password that it demands."""
        user, password = self.credentials or ("", "")
        return self.url.replace("://", f"://{quote(user, safe='')}:{quote(password, safe='')}@")

    def file_url(self, name: str) -> str:
        """Return the URL of one file."""
        return f"{self.files_at or self.origin + '/files'}/{quote(name)}"

    def fail(
        self, path_or_file: str, how: int | Mode, *, times: int | None = None, retry_after: int | None = None
    ) -> None:
        """Make one path (`/simple/demo/`), or one file by its name, fail: always, or the next `times` times."""
        path = path_or_file if path_or_file.startswith("/") else f"/files/{path_or_file}"
        self.failures[path] = Failure(how=how, times=times, retry_after=retry_after)

    def paths(self, method: str | None = None) -> list[str]:
        """Return the requested paths in order."""
        return [row.path for row in self.requests if method in (None, row.method)]

    def asked_for(self, project: str) -> bool:
        """Tell whether anything of a project was requested, its page or a file."""
        name = str(canonicalize_name(project))
        return any(
            path.startswith(f"/simple/{name}/") or (path.startswith("/files/") and _project(_file_of(path)) == name)
            for path in self.paths()
        )


def _file_of(path: str) -> str:
    return unquote(path.rpartition("/")[2]).removesuffix(".metadata")


def _listed(files: Path | Iterable[Path]) -> list[Path]:
    if not isinstance(files, Path):
        return list(files)
    return sorted(path for path in files.rglob("*") if path.name.endswith((".whl", ".tar.gz", ".zip")))


@functools.cache
def _project(name: str) -> str:
    parse: Callable[[str], tuple[str, *tuple[object, ...]]]
    parse = parse_wheel_filename if name.endswith(".whl") else parse_sdist_filename
    return str(parse(name)[0])


@functools.cache
def _sha256(path: Path, stamp: tuple[int, int]) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(path: Path) -> str:
    stat = path.stat()
    return _sha256(path, (stat.st_size, stat.st_mtime_ns))


def _metadata(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        inside = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA") and n.count("/") == 1)
        return archive.read(inside)


class _Answer(BaseHTTPRequestHandler):
    server: IndexServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if not self._authorised() and self.server.credentials is not None:
            self._send(401, b"who are you?", "text/plain", {"WWW-Authenticate": 'Basic realm="index"'})
            return
        failure = self.server.failures.get(path)
        if failure is not None and failure.times != 0:
            if failure.times is not None:
                failure.times -= 1
            self._fail(path, failure)
        elif path in self.server.redirects:
            self._send(302, b"", "text/plain", {"Location": self.server.redirects[path]})
        else:
            self._serve(path)

    def _authorised(self) -> bool:
        scheme, _, value = self.headers.get("Authorization", "").partition(" ")
        if self.server.credentials is None or scheme != "Basic":
            return bool(value)
        return base64.b64decode(value).decode() == ":".join(self.server.credentials)

    def _fail(self, path: str, failure: Failure) -> None:
        if isinstance(failure.how, int):
            extra = {} if failure.retry_after is None else {"Retry-After": str(failure.retry_after)}
            if failure.how == 401:
                extra["WWW-Authenticate"] = 'Basic realm="index"'
            self._send(failure.how, b"refused", "text/plain", extra)
        elif failure.how == "html":
            self._send(200, b"<html><body>Please log in.</body></html>", _HTML_TYPE)
        else:
            body = self.server.files[_file_of(path)].read_bytes()
            if failure.how == "wrong-bytes":
                self._file(path, bytes(byte ^ 0xFF for byte in body))
            else:
                self._send(200, body, "application/octet-stream", stop_after=len(body) // 2)

    def _serve(self, path: str) -> None:
        folder, _, name = path.lstrip("/").partition("/")
        projects = sorted({_project(file) for file in self.server.files})
        if folder == "simple" and not name:
            links = "".join(f'<a href="{project}/">{project}</a>\n' for project in projects)
            self._page(links, {"projects": [{"name": project} for project in projects]})
        elif folder == "simple" and name.rstrip("/") in projects:
            self._project(name.rstrip("/"))
        elif folder == "flat" and not name:
            self._page("".join(self._link(file) for file in sorted(self.server.files)), None)
        elif folder == "files" and _file_of(path) in self.server.files:
            file = self.server.files[_file_of(path)]
            if not name.endswith(".metadata"):
                self._file(path, file.read_bytes())
            elif self.server.serve_metadata and file.name.endswith(".whl"):
                self._file(path, _metadata(file))
            else:
                self._send(404, b"no metadata", "text/plain")
        else:
            self._send(404, b"no such thing", "text/plain")

    def _project(self, project: str) -> None:
        files = [name for name in sorted(self.server.files) if _project(name) == project]
        rows = [self._row(name) for name in files]
        links = "".join(self._link(name) for name in files)
        versions = sorted({str(_version(name)) for name in files})
        version = "1.0" if self.server.upload_times is None else "1.1"
        answer = {"meta": {"api-version": version}, "name": project, "files": rows}
        self._page(links, answer if version == "1.0" else {**answer, "versions": versions})

    def _row(self, name: str) -> dict[str, object]:
        path = self.server.files[name]
        row: dict[str, object] = {
            "filename": name,
            "url": self.server.file_url(name),
            "hashes": {"sha256": _digest(path)},
            "yanked": self.server.yanked.get(name, False),
        }
        if name.endswith(".whl"):
            metadata = _metadata(path)
            needs = BytesHeaderParser().parsebytes(metadata).get("Requires-Python")
            row |= {"requires-python": needs} if needs else {}
            if self.server.serve_metadata:
                row["core-metadata"] = {"sha256": hashlib.sha256(metadata).hexdigest()}
        times = self.server.upload_times
        if times is not None:
            row["size"] = path.stat().st_size
            row["upload-time"] = times if isinstance(times, str) else times.get(name, _LONG_AGO)
        return row

    def _link(self, name: str) -> str:
        row = self._row(name)
        extra = ""
        if "requires-python" in row:
            extra += f' data-requires-python="{html.escape(str(row["requires-python"]))}"'
        if row["yanked"] is not False:
            extra += f' data-yanked="{html.escape(str(row["yanked"]))}"'
        if "core-metadata" in row:
            extra += f' data-core-metadata="sha256={row["core-metadata"]["sha256"]}"'  # type: ignore[index]
        return f'<a href="{row["url"]}#sha256={row["hashes"]["sha256"]}"{extra}>{name}</a><br>\n'  # type: ignore[index]

    def _page(self, links: str, answer: object | None) -> None:
        if answer is not None and self.server.serve_json and _JSON in self.headers.get("Accept", ""):
            self._send(200, json.dumps(answer).encode(), _JSON)
        else:
            self._send(200, f"<!DOCTYPE html><html><body>\n{links}</body></html>".encode(), _HTML_TYPE)

    def _file(self, path: str, body: bytes) -> None:
        wanted = self.headers.get("Range")
        ranges = {"Accept-Ranges": "bytes"} if self.server.serve_ranges else {}
        if wanted is None or not self.server.serve_ranges:
            self._send(200, body, "application/octet-stream", ranges)
            return
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start = int(first) if first else max(0, len(body) - int(last))
        end = min(len(body), int(last) + 1) if first and last else len(body)
        if start >= end:
            self._send(416, b"", "text/plain", {"Content-Range": f"bytes */{len(body)}"})
            return
        ranges["Content-Range"] = f"bytes {start}-{end - 1}/{len(body)}"
        self._send(206, body[start:end], "application/octet-stream", ranges)

    def _send(
        self,
        status: int,
        body: bytes,
        kind: str,
        extra: Mapping[str, str] | None = None,
        *,
        stop_after: int | None = None,
    ) -> None:
        row = Request(
            method=self.command,
            path=urlsplit(self.path).path,
            authorised=self._authorised(),
            status=status,
            range=self.headers.get("Range"),
        )
        self.server.requests.append(row)
        self.send_response(status)
        for key, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(extra or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if stop_after is None else body[:stop_after])
        if stop_after is not None:
            self.close_connection = True


@functools.cache
def _version(name: str) -> object:
    return parse_wheel_filename(name)[1] if name.endswith(".whl") else parse_sdist_filename(name)[1]


@contextlib.contextmanager
def running(server: IndexServer) -> Iterator[IndexServer]:
    """Serve in a thread until the context ends."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def serve_index(
    files: Path | Iterable[Path],
    *,
    upload_times: str | Mapping[str, str] | None = _LONG_AGO,
    credentials: tuple[str, str] | None = None,
    yanked: Mapping[str, str] | None = None,
    serve_json: bool = True,
    serve_metadata: bool = True,
    serve_ranges: bool = True,
    files_at: str | None = None,
) -> contextlib.AbstractContextManager[IndexServer]:
    """Serve wheels and sdists of a folder, or those listed, on a free port of 127.0.0.1."""
    server = IndexServer(
        files,
        upload_times=upload_times,
        credentials=credentials,
        yanked=yanked,
        serve_json=serve_json,
        serve_metadata=serve_metadata,
        serve_ranges=serve_ranges,
        files_at=files_at,
    )
    return running(server)


@pytest.fixture
def index_server() -> Iterator[Callable[..., IndexServer]]:
    """A function that starts an index (as `serve_index` does) which runs until the test ends."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(serve_index(*args, **options))


def network_namespaces() -> bool:
    """Tell whether a command can be run in a network namespace that has loopback alone."""
    if sys.platform != "linux" or not shutil.which("unshare") or not shutil.which("ip"):
        return False
    return subprocess.run(["unshare", "-Urn", "ip", "link", "set", "lo", "up"], check=False).returncode == 0


def isolated(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in a network namespace with loopback and no route."""
    argv = ["unshare", "-Urn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
    env = dict(os.environ if environment is None else environment)
    return subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def isolated_with_index(
    command: Sequence[str],
    folder: Path,
    *,
    cwd: Path,
    log: Path,
    environment: Mapping[str, str] | None = None,
    credentials: tuple[str, str] | None = None,
) -> tuple[subprocess.CompletedProcess[str], list[Request]]:
    """Run a command where nothing but an index of `folder` can be reached; return it and what the index was asked.

    `{url}` in arguments of the command, in values of the environment and in `cwd`'s files named `*.in` (written
    without that ending) becomes the index's URL.
    """
    argv = [sys.executable, "-m", "tests.integration.index_server", "--cwd", str(cwd), "--log", str(log)]
    if credentials is not None:
        argv += ["--user", credentials[0], "--password", credentials[1]]
    root = Path(__file__).parents[2]
    done = isolated([*argv, str(folder), "--", *command], cwd=root, environment=environment)
    return done, msgspec.json.decode(log.read_bytes(), type=list[Request]) if log.exists() else []


def main(argv: Sequence[str]) -> int:
    """Serve a folder while a command runs, write the log of requests, return the command's exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cwd", type=Path, default=Path())
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--user")
    parser.add_argument("--password")
    split = list(argv).index("--")
    options, command = parser.parse_args(argv[:split]), list(argv)[split + 1 :]
    credentials = (options.user, options.password) if options.user else None
    with serve_index(options.folder, credentials=credentials) as server:

        def filled(text: str) -> str:
            return text.replace("{url}", server.url).replace("{port}", str(server.server_port))

        for template in options.cwd.rglob("*.in"):
            template.with_suffix("").write_text(filled(template.read_text("utf-8")), "utf-8")
        environment = {key: filled(value) for key, value in os.environ.items()}
        done = subprocess.run([filled(part) for part in command], cwd=options.cwd, env=environment, check=False)
        options.log.write_bytes(msgspec.json.encode(server.requests))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
