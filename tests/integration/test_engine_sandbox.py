"""A build root run by a Docker Engine, as where namespaces are forbidden."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from envlock.adapters.allowed_sandbox import AllowedSandbox
from envlock.adapters.engine import Engine
from envlock.adapters.engine_sandbox import EngineSandbox
from envlock.errors import UnverifiableError, UsageError
from envlock.locking.opening import Opening
from envlock.locking.sdist import build_wheel
from envlock.model.edges import Process, Sandbox
from tests.integration.roots import edges, resolved, root_of
from tests.integration.test_sdist import RECIPE, WANTED, builds

pytestmark = [pytest.mark.engine, pytest.mark.network]

PYTHON = "/usr/bin/python3.9"


class Forbidden:
    """A machine without namespaces."""

    def start(self, *_: object, **__: object) -> NoReturn:
        raise UnverifiableError("no-namespaces", "This machine does not let an isolated root be entered.", hint="Ask.")


@pytest.fixture(scope="module")
def sandbox(engine: str) -> Iterator[Sandbox]:
    """Namespaces where there are none, then the Engine."""
    yield AllowedSandbox(Forbidden(), lambda: EngineSandbox(Engine(engine)))


def run(
    sandbox: Sandbox, code: str, said: bytes = b"", *, binds: Mapping[str, Path] | None = None
) -> tuple[int, bytes, bytes]:
    """Run Python code in the base and return status, stdout and stderr."""
    process: Process = sandbox.start(root_of(RECIPE), [PYTHON, "-c", code], environment={"A": "b"}, binds=binds)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdin, process.stdout, process.stderr:
        process.stdin.write(said)
        process.stdin.close()
        out, err = process.stdout.read(), process.stderr.read()
    return process.wait(), out, err


def test_what_the_command_sees(sandbox: Sandbox) -> None:
    """The same as in namespaces: who it is, what it may, where things are."""
    code = (
        "import os, resource, socket, sys\n"
        "os.environ.pop('LC_CTYPE', None)  # CPython's own, PEP 538\n"
        "mask = os.umask(0)\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(os.getuid(), os.getcwd(), dict(os.environ), oct(mask), socket.gethostname(), os.listdir('/tmp'),\n"
        "      status['CapEff'].strip(), status['NoNewPrivs'].strip(), open('/proc/self/personality').read().strip(),\n"
        "      resource.getrlimit(resource.RLIMIT_STACK)[0], [name for _, name in socket.if_nameindex()])\n"
        "try:\n    open('/usr/x', 'w')\nexcept OSError as error:\n    print(error.strerror)\n"
    )
    found = run(sandbox, code)
    assert found == run(edges().sandbox, code)
    assert found[0] == 0
    assert b"Read-only file system" in found[1]


def test_streams_and_status(sandbox: Sandbox) -> None:
    """All that is said goes in and comes out; the status is the command's, or 128 and the signal."""
    code = (
        "import sys; data = sys.stdin.buffer.read(); sys.stdout.buffer.write(data[::-1]); print('x', file=sys.stderr)"
    )
    data = bytes(range(256)) * 5000
    assert run(sandbox, code, data) == (0, data[::-1], b"x\n")
    assert run(sandbox, "raise SystemExit(7)")[0] == 7
    assert run(sandbox, "import os; os.kill(os.getpid(), 9)")[0] == 137


def test_binds_go_in_and_come_back(sandbox: Sandbox, tmp_path: Path) -> None:
    """Plain files and folders; a link that would lead out of them on this machine does not come back."""
    work = tmp_path / "work"
    (work / "deep").mkdir(parents=True)
    (work / "deep" / "in.txt").write_text("in")
    (work / "script").write_text("#!/bin/sh\n")
    (work / "script").chmod(0o755)
    code = (
        "import os\n"
        "assert open('/build/deep/in.txt').read() == 'in' and os.access('/build/script', os.X_OK)\n"
        "open('/build/deep/out.txt', 'w').write('out'); os.remove('/build/deep/in.txt')\n"
        "os.symlink('/etc/passwd', '/build/link'); os.symlink('..', '/build/up')\n"
    )
    assert run(sandbox, code, binds={"/build": work}) == (0, b"", b"")
    found = {str(path.relative_to(work)) for path in work.rglob("*")}
    assert found == {"deep", "deep/out.txt", "script"}
    assert (work / "script").stat().st_mode & 0o777 == 0o755


def test_what_cannot_run(sandbox: Sandbox, tmp_path: Path) -> None:
    """A program that the root has not."""
    with pytest.raises(UsageError, match="not-in-root"):
        sandbox.start(root_of(RECIPE), ["/usr/bin/nothing"], environment={})
    with pytest.raises(UsageError, match="no-folder"):
        sandbox.start(tmp_path / "nothing", [PYTHON], environment={})


def test_a_c_extension_has_the_same_bytes(sandbox: Sandbox, tmp_path: Path) -> None:
    """Built by the Engine and in namespaces."""
    import msgspec

    [row] = builds().resolve(msgspec.structs.replace(WANTED, requirements=("wrapt==1.12.1",), no_deps=True))
    sdist = Opening(edges().downloads, edges().artifacts, edges().progress).whole(row)

    def build(chosen: Sandbox, folder: Path) -> Any:
        return build_wheel(
            sdist,
            name="wrapt",
            version="1.12.1",
            root=root_of(RECIPE, build=True),
            sandbox=chosen,
            requires=builds().requirements(WANTED, resolved(RECIPE)),
            interpreter=PYTHON,
            destination=folder,
            progress=edges().progress,
            base=root_of(RECIPE),
        )

    by_engine, here = build(sandbox, tmp_path / "engine"), build(edges().sandbox, tmp_path / "here")
    assert by_engine.name == "wrapt-1.12.1-cp39-cp39-linux_x86_64.whl"
    assert by_engine.sha256 == here.sha256


def test_without_either_the_error_names_both(tmp_path: Path) -> None:
    """Namespaces are what is missing; an Engine is the other way out."""

    def none() -> Sandbox:
        raise UsageError("no-engine", "No Docker Engine answers.")

    argv: Sequence[str] = [PYTHON]
    with pytest.raises(UnverifiableError, match="no-namespaces") as caught:
        AllowedSandbox(Forbidden(), none).start(tmp_path, argv, environment={})
    assert caught.value.hint == "Ask. Or start a Docker Engine, which is used instead."
