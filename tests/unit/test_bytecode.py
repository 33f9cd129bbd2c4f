"""The compiler's protocol and what its .pyc files are, with this interpreter in place of a root's."""

from __future__ import annotations

import hashlib
import importlib.resources
import importlib.util
import marshal
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from envlock.adapters.bytecode import RootCompiler
from envlock.errors import UsageError

ROOT = Path("/nowhere")


class HostSandbox:
    """Runs this interpreter, with the given script in place of the compiler's where there is one."""

    def __init__(self, script: str | None = None) -> None:
        self.script = script
        self.started: list[subprocess.Popen[bytes]] = []

    def start(
        self,
        root: Path,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        binds: Mapping[str, Path] | None = None,
    ) -> subprocess.Popen[bytes]:
        script = argv[-1] if self.script is None else self.script
        process = subprocess.Popen(
            [sys.executable, *argv[1:-1], script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(environment),
            cwd="/",
        )
        self.started.append(process)
        return process


def compiled(*sources: tuple[str, bytes]) -> list[tuple[str, bytes]]:
    """Compile with this interpreter."""
    with RootCompiler(HostSandbox(), ROOT, sys.executable) as compiler:
        return list(compiler.compile(sources))


def test_unchecked_hash_pyc_beside_the_source() -> None:
    """What the import system itself would have written, at the place where it looks."""
    source = b"answer = 42\n"
    [(path, pyc)] = compiled(("/opt/venv/lib/demo.py", source))
    assert path == importlib.util.cache_from_source("/opt/venv/lib/demo.py", optimization="")
    assert pyc[:4] == importlib.util.MAGIC_NUMBER
    assert pyc[4:8] == b"\1\0\0\0"
    assert pyc[8:16] == importlib.util.source_hash(source)
    code = marshal.loads(pyc[16:])
    namespace: dict[str, object] = {}
    exec(code, namespace)
    assert (namespace["answer"], code.co_filename) == (42, "/opt/venv/lib/demo.py")


@pytest.mark.parametrize(
    "source",
    [
        b"def (:\n",
        b"a = '\0'\n",
        b"# -*- coding: no-such-codec -*-\n",
        b"\xff = 1\n",
        b"(" * 5000 + b")" * 5000,
        b"x = " + b"-" * 100_000 + b"1\n",
        b"return\n",
    ],
)
def test_what_does_not_compile_is_left_out(source: bytes) -> None:
    """Python 2 code, null bytes, unknown encodings and deep nesting stop nothing; the order is kept."""
    paths = [path for path, _ in compiled(("/a.py", b"1\n"), ("/b.py", source), ("/c.py", b"2\n"))]
    assert [Path(path).name.split(".")[0] for path in paths] == ["a", "c"]


def test_no_warning_and_no_optimisation() -> None:
    """Invalid escapes are silent; asserts and docstrings stay."""
    [(_, pyc)] = compiled(("/a.py", b"'''docstring'''\nassert '\\d' is '\\d', 'kept'\n"))
    assert b"docstring" in pyc
    assert b"kept" in pyc


def test_large_sources_and_many(tmp_path: Path) -> None:
    """More than any pipe holds goes in and comes out, whoever is slower."""
    large = b"x = %r\n" % ("y" * 3_000_000)
    sources = [(f"/{number}.py", large if number % 10 == 0 else b"z = %d\n" % number) for number in range(40)]
    result = compiled(*sources)
    assert len(result) == 40
    assert [len(pyc) > 3_000_000 for _, pyc in result] == [number % 10 == 0 for number in range(40)]


def test_little_is_taken_before_it_is_needed() -> None:
    """Sources are read as they are compiled, not all at once."""
    taken = 0

    def sources() -> Iterator[tuple[str, bytes]]:
        nonlocal taken
        for taken in range(1, 201):
            yield f"/{taken}.py", b"#" * 100_000

    results = RootCompiler(HostSandbox(), ROOT, sys.executable).compile(sources())
    next(results)
    assert taken < 20
    results.close()  # type: ignore[attr-defined]


def test_closing_ends_the_process() -> None:
    """Whoever stops half way leaves nothing running."""
    sandbox = HostSandbox()
    results = RootCompiler(sandbox, ROOT, sys.executable).compile((f"/{number}.py", b"1\n") for number in range(1000))
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert sandbox.started[0].returncode is not None


def test_error_of_the_sources_is_passed_on() -> None:
    """A wheel that turns out damaged is told as such, and the process ended."""
    sandbox = HostSandbox()

    def sources() -> Iterator[tuple[str, bytes]]:
        yield "/a.py", b"1\n"
        raise LookupError("damaged")

    with pytest.raises(LookupError, match="damaged"):
        list(RootCompiler(sandbox, ROOT, sys.executable).compile(sources()))
    assert sandbox.started[0].returncode is not None


CRASH = """
import os, sys
size = int.from_bytes(sys.stdin.buffer.read(9)[5:], "little")
sys.stdin.buffer.read(len("/a.py") + size)
sys.stdout.buffer.write(b"\\23\\0\\0\\0\\1\\0\\0\\0__pycache__/a.x.pycX"); sys.stdout.flush()
sys.stderr.write("x" * 200_000 + "Fatal Python error: out of luck"); sys.stderr.flush()
os._exit(139)
"""


def test_crash_names_the_file() -> None:
    """The file at hand, the signal and the end of what the interpreter said."""
    results = RootCompiler(HostSandbox(CRASH), ROOT, "/usr/bin/python3.9").compile(
        [("/a.py", b"1\n"), ("/b.py", b"2\n")]
    )
    assert next(results) == ("__pycache__/a.x.pyc", b"X")
    with pytest.raises(UsageError) as caught:
        next(results)
    error = caught.value
    assert (error.reference, error.where) == ("compiler-crashed", "/b.py")
    assert error.what == "/usr/bin/python3.9 of the image ended while it compiled /b.py."
    assert error.found.startswith("signal 11 (Segmentation fault)\n")
    assert error.found.endswith("xFatal Python error: out of luck")
    assert len(error.found) < 2100
    assert "bytecode = false" in error.hint


ANSWERS = """
import sys
sys.stdin.buffer.read(1)
sys.stdout.buffer.write(%r); sys.stdout.flush()
sys.stdin.buffer.read()
"""


@pytest.mark.parametrize(
    "path", [b"opt/venv/bin/python", b"__pycache__/../a.pyc", b"__pycache__/a./b.pyc", b"__pycache__/b.x.pyc", b"\xff"]
)
def test_bytecode_for_another_place_is_refused(path: bytes) -> None:
    """An interpreter of anybody's base decides bytes, and not where they go."""
    answer = bytes([len(path), 0, 0, 0, 1, 0, 0, 0]) + path + b"X"
    with pytest.raises(UsageError, match="compiler-crashed"):
        list(RootCompiler(HostSandbox(ANSWERS % answer), ROOT, "/usr/bin/python3").compile([("/a.py", b"1\n")]))


@pytest.mark.parametrize("answer", [b"\1\0\0\0\xff\xff\xff\x7f", bytes(16)])
def test_answers_without_a_question_or_an_end(answer: bytes) -> None:
    """More answers than sources, or one of gigabytes, are an error of the interpreter's and no memory of ours."""
    with pytest.raises(UsageError, match="compiler-crashed"):
        list(RootCompiler(HostSandbox(ANSWERS % answer), ROOT, "/usr/bin/python3").compile([("/a.py", b"1\n")]))


def test_interpreter_that_cannot_start() -> None:
    """Failing before the first file is told with the root."""
    with pytest.raises(UsageError) as caught:
        list(RootCompiler(HostSandbox("import sys; sys.exit('no libc')"), ROOT, "/usr/bin/python3.9").compile([]))
    assert (caught.value.where, caught.value.found) == (str(ROOT), "exit status 1\nno libc")


def test_neither_order_nor_company_matters() -> None:
    """A .pyc is the same first or last, alone or among files that leave their marks on the interpreter."""
    marks = [
        ("/1.py", "é = 'Å' '\\N{BULLET}' '{'\nNFKC = 1\n".encode()),
        ("/2.py", b"f'{a}{b!r:{c}}'\nx = {None, 'decimal', 1.5, (None, 2)}\n"),
        ("/3.py", b"decimal = 'decimal'; source = 'path'; name = 'pyc'; NFKC = 'NFKC'; c = b'{'\n"),
        ("/4.py", b"for x in {'a', 'b', None, ...}: pass\nif y in {'c', 'd', b'e'}: pass\n"),
    ]
    forwards = dict(compiled(*marks))
    assert dict(compiled(*reversed(marks))) == forwards
    assert dict(pair for source in marks for pair in compiled(source)) == forwards


def test_host_environment_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash seeds and locales of whoever builds stay outside."""
    source = ("/a.py", b"x in {'a', 'b', 'c', 'd'}\n")
    before = compiled(source)
    for name, value in {"PYTHONHASHSEED": "7", "LC_ALL": "C", "PYTHONOPTIMIZE": "2", "PYTHONUTF8": "0"}.items():
        monkeypatch.setitem(os.environ, name, value)
    assert compiled(source) == before


def test_one_interpreter_serves_many_batches() -> None:
    """Batches one after another share an interpreter and nothing else; batches at once have one each."""
    sandbox = HostSandbox()
    source = ("/a.py", b"x in {'a', 'b', None}\n")
    with RootCompiler(sandbox, ROOT, sys.executable) as compiler:
        first = list(compiler.compile([source]))
        assert list(compiler.compile([("/broken.py", b"("), source])) == first
        assert list(compiler.compile([])) == []
        assert len(sandbox.started) == 1
        with ThreadPoolExecutor(2) as pool:
            assert list(pool.map(lambda _: list(compiler.compile([source] * 500)), range(2))) == [first * 500] * 2
        assert len(sandbox.started) <= 2
    assert all(process.returncode is not None for process in sandbox.started)


SETS = """
def f(x):
    return x in {None, "b", "a", ..., 3, (None, 2)}, x in {"a", None}, x in {"a", None}
def g(x):
    return x in {None, NUMBERS}
h = "a" in {"a", "b"}
""".replace("NUMBERS", ", ".join(map(str, range(400))))


def test_sets_are_sorted_where_cpython_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until CPython 3.10 their order in a .pyc is that of addresses, which differ between architectures.

    Done here with this interpreter: the code is the same, but for the order that it is written in.
    """
    script = importlib.resources.files("envlock").joinpath("data/in_root/compile_sources.py").read_text("utf-8")
    names: dict[str, Any] = {}
    exec(script.rpartition("\n_warm_up()")[0], names)
    code = compile(SETS, "/a.py", "exec", dont_inherit=True)
    names["_SORTS_SETS"] = True
    raw = names["_marshalled"](code, b"frozenset 12345678")
    assert marshal.loads(raw) == code
    assert b"12345678" not in raw
    elements = raw[raw.index(b"\6\0\0\0") + 4 :]
    order = [elements.index(each) for each in (b"\1a", b"\1b", b"\3\0\0\0", b".")]
    assert order == sorted(order)
    plain = compile("h = 'a' in {'a', 'b'}", "/b.py", "exec", dont_inherit=True)
    assert names["_marshalled"](plain, b"frozenset 12345678") == marshal.dumps(plain, 4)


def test_script_is_part_of_the_layer_spec() -> None:
    """Another text may compile to other bytes: change it together with the version of the layer spec."""
    script = importlib.resources.files("envlock").joinpath("data/in_root/compile_sources.py").read_bytes()
    assert hashlib.sha256(script).hexdigest()[:16] == "d72f91c616b018f5"
