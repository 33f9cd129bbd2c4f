"""Compiles sources from stdin into unchecked-hash .pyc files (PEP 552) on stdout, for adapters.bytecode.

A batch begins with one byte 1.
Request: path length and source size (4 bytes each, little-endian), path (UTF-8), source.
Response: .pyc path length and .pyc size, .pyc path, .pyc. Both lengths are 0 for a source that does not compile.
A request of length 0 ends the batch, a response of length 2**32 - 1 answers that, and only then may another one begin.

Each batch is compiled by a process of its own, forked from this one, which never compiles itself: a batch does not
depend on those before it, and costs no start of the interpreter.

Runs under Python 3.7 and later with -S -c. marshal marks a string that anybody else refers to, or that is interned, so
that whatever the interpreter keeps shows in its output. Hence little is imported, and what a compilation leaves behind
is brought in beforehand (`_warm_up`): then a .pyc hardly depends on the files that were compiled before it.

What is in a frozenset is marshalled in the order of hashes, and None and Ellipsis are hashed by their address, which
is another one on another architecture. CPython sorts it since 3.11 (bpo-37596); for older ones that is done here.

Every change here may change images: it is part of layer spec v1.
"""

from __future__ import annotations

import marshal
import posix
import sys
from _frozen_importlib_external import MAGIC_NUMBER, cache_from_source
from _imp import source_hash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType
    from typing import BinaryIO

_KEY = int.from_bytes(MAGIC_NUMBER, "little")
_UNCHECKED = b"\1\0\0\0"
_MARSHAL_VERSION = 4
_END_OF_BATCH = bytes(8)
_BATCH_DONE = b"\xff" * 4 + bytes(4)
_SORTS_SETS = (3, 8) <= sys.version_info < (3, 11)  # 3.7 has no code.replace
_CODE = type(compile("", "", "exec"))
_REF = 0x80
"""marshal's flag on the type of what is referred to later."""


def _compiled(path: str, source: bytes) -> bytes:
    code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    digest = source_hash(_KEY, source)
    return b"".join((MAGIC_NUMBER, _UNCHECKED, digest, _marshalled(code, b"frozenset " + digest)))


def _marshalled(code: CodeType, mark: bytes) -> bytes:
    """Marshal code with its frozensets sorted: as tuples that begin with a mark, which become sets again in the output.

    Nothing in marshal's format refers to a place in the output, so that it may be cut and joined.
    """
    sorted_code = _with_tuples(code, mark) if _SORTS_SETS else code
    raw = marshal.dumps(sorted_code, _MARSHAL_VERSION)
    if sorted_code is code:
        return raw
    done, *rest = raw.split(b"s" + len(mark).to_bytes(4, "little") + mark)
    for part in rest:
        # A tuple of up to 255 has its length in one byte, a longer one, as any set, in four.
        length = 1 if done[-2] & ~_REF == ord(")") else 4
        kind = ord(">") | done[-length - 1] & _REF
        count = int.from_bytes(done[-length:], "little") - 1
        done = b"".join((done[: -length - 1], bytes((kind,)), count.to_bytes(4, "little"), part))
    return done


def _with_tuples(code: CodeType, mark: bytes) -> CodeType:
    """Return code in which every frozenset whose order is left to addresses is a sorted tuple behind a mark."""
    constants = tuple(_with_tuple(each, mark) for each in code.co_consts)
    if all(new is old for new, old in zip(constants, code.co_consts)):  # noqa: B905 - strict came with 3.10
        return code
    return code.replace(co_consts=constants)


def _with_tuple(constant: object, mark: bytes) -> object:
    if isinstance(constant, frozenset) and _goes_by_address(constant):
        # A mark of its own each time: marshal would refer back to one that it has seen.
        return (bytes(bytearray(mark)), *sorted(constant, key=repr))
    return _with_tuples(constant, mark) if isinstance(constant, _CODE) else constant


def _goes_by_address(constants: Iterable[object]) -> bool:
    return any(
        each is None or each is ... or (isinstance(each, tuple) and _goes_by_address(each)) for each in constants
    )


def _serve(requests: BinaryIO, responses: BinaryIO) -> None:
    while True:
        head = requests.read(8)
        if head == _END_OF_BATCH:
            responses.write(_BATCH_DONE)
            responses.flush()
            return
        path = requests.read(int.from_bytes(head[:4], "little")).decode()
        source = requests.read(int.from_bytes(head[4:], "little"))
        try:
            pyc = _compiled(path, source)
            name = cache_from_source(path, optimization="").encode()
        except Exception:  # noqa: BLE001 - a source may fail to compile in many ways; none of them can be imported
            name = pyc = b""
        responses.write(b"".join((len(name).to_bytes(4, "little"), len(pyc).to_bytes(4, "little"), name, pyc)))
        responses.flush()


def _fork_batches() -> None:
    while posix.read(0, 1):
        child = posix.fork()
        if not child:
            _serve(sys.stdin.buffer, sys.stdout.buffer)
            posix._exit(0)  # noqa: SLF001 - no clean-up: nothing of the parent is to run twice
        _, status = posix.waitpid(child, 0)
        if status:
            sys.exit(posix.WEXITSTATUS(status) if posix.WIFEXITED(status) else 128 + posix.WTERMSIG(status))


def _warm_up() -> None:
    for number in range(256):
        sys.intern(chr(number))  # the interpreter keeps latin-1 characters and single bytes, once made
        bytes((number,))
    compile("\u00e9 = '\\N{DIGIT ONE}'", "", "exec")  # unicodedata, and the NFKC of identifiers (PEP 3131)


_warm_up()
_fork_batches()
