# ruff: noqa
# mypy: ignore-errors
# Runs in the target's interpreter, `python -I -S -B -`, Python 3.6 and up, standard library only.
# Prints "ready", then for each (.pyc, source) of PAIRS a line "index verdict": is it what compiling the source gives?
# "same"; "differs"; "ignored" when the interpreter itself would not load it (other magic number, older source).
import importlib.util
import marshal
import os
import struct
import sys
import types
import warnings

warnings.simplefilter("ignore")
sys.setrecursionlimit(20000)


def alike(one, other):
    """Compare constants and code objects by everything that runs; 0.0 and -0.0, 1 and True differ."""
    if type(one) is not type(other):
        return False
    if isinstance(one, types.CodeType):
        for name in dir(one):
            # co_filename is the path at compile time; co_lnotab is derived (and deprecated) from 3.10 on.
            if name.startswith("co_") and name not in ("co_filename", "co_lnotab"):
                value = getattr(one, name)
                if not callable(value) and not alike(value, getattr(other, name)):
                    return False
        return list(lines(one)) == list(lines(other))
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, frozenset):
        return sorted(map(repr, one)) == sorted(map(repr, other))
    if isinstance(one, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    if isinstance(one, complex):
        return alike((one.real, one.imag), (other.real, other.imag))
    return one == other


def lines(code):
    return code.co_lines() if hasattr(code, "co_lines") else [code.co_lnotab]


def judge(pyc, source):
    with open(pyc, "rb") as file:
        data = file.read()
    if data[:4] != importlib.util.MAGIC_NUMBER:
        return "ignored"
    if len(data) < 16:
        return "differs"
    header = 12 if sys.version_info < (3, 7) else 16
    flags = 0 if header == 12 else struct.unpack("<I", data[4:8])[0]
    with open(source, "rb") as file:
        text = file.read()
    if flags == 0:
        about = os.stat(source)
        stamp = struct.unpack("<II", data[header - 8 : header])
        if stamp != (int(about.st_mtime) & 0xFFFFFFFF, about.st_size & 0xFFFFFFFF):
            return "ignored"
    elif flags == 3 and data[8:16] != importlib.util.source_hash(text):
        return "ignored"
    name = os.path.basename(pyc)
    level = int(name[-5]) if name.endswith((".opt-1.pyc", ".opt-2.pyc")) else 0
    try:
        code = marshal.loads(data[header:])
    except Exception:
        return "differs"
    if not isinstance(code, types.CodeType):
        return "differs"
    try:
        fresh = compile(text, source, "exec", dont_inherit=True, optimize=level)
    except Exception:
        return "differs"
    # Through marshal once, so that both were loaded alike.
    return "same" if alike(code, marshal.loads(marshal.dumps(fresh))) else "differs"


sys.stdout.write("ready\n")
for index, (pyc, source) in enumerate(PAIRS):  # noqa: F821 - written in front of this script
    try:
        verdict = judge(pyc, source)
    except Exception as error:
        verdict = "unreadable %s" % type(error).__name__
    sys.stdout.write("%d %s\n" % (index, verdict))
    sys.stdout.flush()
