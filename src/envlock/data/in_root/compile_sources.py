"""Compiles sources from stdin into PEP 552 unchecked-hash .pyc files on stdout, for adapters.bytecode.

Request: path length and source size (4 bytes each, little-endian), path (UTF-8), source.
Response: pyc path length and pyc size, pyc path, pyc. Both lengths are 0 for a source that does not compile.

Runs under Python 3.6 and later with -S -c. marshal marks a string that anybody else refers to, or that is interned, so
that whatever the interpreter keeps shows in its output. Hence little is imported, and what a compilation leaves behind
is brought in beforehand (`_warm_up`): then a .pyc does not depend on the files compiled before it.
"""

import marshal
import sys

from _frozen_importlib_external import MAGIC_NUMBER, cache_from_source
from _imp import source_hash


def _exactly(stream, size):
    read = stream.read(size)
    if len(read) != size:
        raise EOFError
    return read


def _compiled(path, source):
    code = compile(source, path, "exec", dont_inherit=True, optimize=0)
    key = int.from_bytes(MAGIC_NUMBER[:2] + b"\r\n", "little")
    return MAGIC_NUMBER + b"\1\0\0\0" + source_hash(key, source) + marshal.dumps(code, 4)


def _serve(requests, responses):
    while True:
        head = requests.read(8)
        if not head:
            return
        path = _exactly(requests, int.from_bytes(head[:4], "little")).decode()
        source = _exactly(requests, int.from_bytes(head[4:], "little"))
        try:
            pyc = _compiled(path, source)
            name = cache_from_source(path, optimization="").encode()
        except Exception:
            name = pyc = b""
        responses.write(len(name).to_bytes(4, "little") + len(pyc).to_bytes(4, "little") + name)
        responses.write(pyc)
        responses.flush()


def _warm_up():
    for number in range(256):
        sys.intern(chr(number))  # latin-1 characters and bytes are kept, once made
        bytes((number,))
    compile("\u00e9 = '\\N{DIGIT ONE}'", "", "exec")  # unicodedata, and the NFKC of identifiers (PEP 3131)


_warm_up()
_serve(sys.stdin.buffer, sys.stdout.buffer)
