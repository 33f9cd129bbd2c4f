# ruff: noqa
# mypy: ignore-errors
# Runs in the target's interpreter, `python -s -B -`, Python 3.6 and up, standard library only; what it probes, the
# suite imports. PLAN is written in front of this script (observe/numerics.py), and ends here as a dict.
#
# Tells, one JSON object a line on what was stdout when it started:
#   {"started": true}, {"loading": true}                                once, some times
#   {"loaded": {"version": text, "probes": [[name, sensitive], ...]}}   once, those that will be asked
#   {"begin": name}, {"again": name}                                    so that a crash has a name, before each call
#   {"answer": name, "status": ..., "sha256": hex, "samples": [...], "reason": text}
#   {"failed": {"kind": "missing" | "import-failed", "reason": text}}   instead of "loaded" and all that follows
#   {"end": true}
#
# How results are hashed is a part of what a fingerprint says: a change of it is one of observe/numerics.FORMAT.
import array
import hashlib
import importlib
import json
import linecache
import os
import struct
import sys
import threading
import types

TOLD = os.dup(1)
os.dup2(2, 1)  # whatever frameworks and probes print is not an answer
ME = os.getpid(), os.fstat(TOLD)[1:3]
TELLING = threading.Lock()  # one thread says that it is loading, another what was loaded
globals().pop("__file__", None)  # processes that multiprocessing spawns would look for a file <stdin>
sys.path[:] = [folder for folder in sys.path if folder not in ("", os.getcwd())]

SAMPLE = 32
"""Elements that are kept of a result, over all of its arrays."""
BLOCK = 1 << 16
"""Elements that are hashed at once, where they have to be copied."""
EXTENDED = "float80"
"""What numpy calls <f16 or <f12 on x86: 10 bytes, and bytes that say nothing."""
EXTENSIONS = ("bfloat16", "float8_", "float4_", "float6_", "int2", "int4", "uint2", "uint4")
"""Kinds of numbers that numpy knows by packages such as ml_dtypes."""


def tell(**message):
    """Write a line, unless this is a process that a probe forked, or the channel is another file by now."""
    raw = (json.dumps(message, sort_keys=True) + "\n").encode("ascii")
    if os.getpid() != ME[0]:
        os._exit(0)
    with TELLING:
        try:
            if os.fstat(TOLD)[1:3] != ME[1]:
                raise OSError
            while raw:
                raw = raw[os.write(TOLD, raw) :]
        except OSError:
            os._exit(70)


def one_line(error):
    kind = type(error).__name__
    try:
        text = str(error)[:2000]
    except BaseException:
        text = "it cannot say what"
    return " ".join("{}: {}".format(kind, text).encode("ascii", "backslashreplace").decode().split())[:300]


class Unhashable(Exception):
    pass


def leaves(value, plain, depth=0):
    """Yield a result as structure (str) and arrays (dtype, shape, width, pieces of little-endian bytes)."""
    if depth > 8:
        raise Unhashable("it is nested more than 8 deep")
    found = plain(value) if plain is not None else None
    if found is not None and not isinstance(found, tuple):
        value, found = found, None
    if found is not None:
        kind, shape, raw = found
        count = 1
        for length in shape:
            count *= length
        yield str(kind), [int(length) for length in shape], len(raw) // (count or 1) or 1, [raw]
    elif value is None or isinstance(value, bool):
        yield repr(value)
    elif isinstance(value, int):
        if -(1 << 63) <= value < 1 << 63:
            yield "<i8", [], 8, [struct.pack("<q", value)]
        else:
            yield "int %x" % int(value)
    elif isinstance(value, float):
        yield "<f8", [], 8, [struct.pack("<d", number(value))]
    elif isinstance(value, complex):
        yield "<c16", [], 16, [struct.pack("<dd", number(value.real), number(value.imag))]
    elif isinstance(value, str):
        yield "str " + json.dumps(value)
    elif isinstance(value, (bytes, bytearray)):
        yield "|u1", [len(value)], 1, [value]
    elif isinstance(value, array.array):
        yield standard_array(value)
    elif isinstance(value, (list, tuple)):
        yield "list %d" % len(value)
        for each in value:
            for leaf in leaves(each, plain, depth + 1):
                yield leaf
    elif isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise Unhashable("it has keys that are no text")
        yield "dict %d" % len(value)
        for key in sorted(value):
            yield "key " + json.dumps(key)
            for leaf in leaves(value[key], plain, depth + 1):
                yield leaf
    elif hasattr(value, "__array__"):
        for leaf in numpy_array(value.__array__()):
            yield leaf
    else:
        raise Unhashable("nothing says how to compare a {}".format(type(value).__name__))


def number(value):
    """Return a float, and of all that are no numbers the same."""
    return value if value == value else float("nan")


def standard_array(found):
    if found.typecode == "u" or found.typecode == "w":
        raise Unhashable("nothing says how to compare an array of text")
    kind = "f" if found.typecode in "fd" else "u" if found.typecode.isupper() else "i"
    if kind == "f" and any(each != each for each in found):
        found = array.array(found.typecode, [number(each) for each in found])
    if sys.byteorder == "big":
        found = array.array(found.typecode, found)
        found.byteswap()
    name = "{}{}{}".format("|" if found.itemsize == 1 else "<", kind, found.itemsize)
    return name, [len(found)], found.itemsize, [memoryview(found).cast("B")]


def numpy_array(found):
    """Yield the leaves of a numpy array: little-endian, in C order, NaNs of one kind; one a field where it has some."""
    import numpy

    if found.dtype.names:
        yield "fields %d" % len(found.dtype.names)
        for field in found.dtype.names:
            yield "key " + json.dumps(field)
            for leaf in numpy_array(found[field]):
                yield leaf
        return
    kind, width = found.dtype.newbyteorder("<").str, found.dtype.itemsize
    if found.dtype.name.startswith(EXTENSIONS):
        kind = found.dtype.name
    elif found.dtype.kind not in "biufcmM":
        raise Unhashable("nothing says how to compare an array of {}".format(found.dtype.name))
    elif found.dtype.kind in "fc" and width // (2 if found.dtype.kind == "c" else 1) > 8:
        if numpy.finfo(found.dtype).nmant != 63:
            raise Unhashable("nothing says how to compare an array of {}".format(found.dtype.name))
        kind, width = ("complex80" if found.dtype.kind == "c" else EXTENDED), 10
    flat = numpy.ascontiguousarray(found).reshape(-1)
    if kind == "complex80":
        flat, width = flat.view(numpy.finfo(found.dtype).dtype), 20
    yield kind, list(found.shape), width, numpy_pieces(numpy, flat, kind, width)


def numpy_pieces(numpy, flat, kind, width):
    for start in range(0, len(flat), BLOCK):
        block = flat[start : start + BLOCK]
        if kind in (EXTENDED, "complex80"):
            block = numpy.where(numpy.isnan(block), numpy.array(float("nan"), block.dtype), block)
            yield block.view(numpy.uint8).reshape(len(block), -1)[:, :10].tobytes()
            continue
        if kind == "bfloat16":
            block = block.view(numpy.uint16)
            block = numpy.where((block & 0x7FFF) > 0x7F80, numpy.uint16(0x7FC0), block)
        elif block.dtype.kind == "c":
            block = block.view(block.real.dtype)
        if block.dtype.kind == "f" and numpy.isnan(block).any():
            block = numpy.where(numpy.isnan(block), numpy.array(float("nan"), block.dtype), block)
        if block.dtype.byteorder == ">" or block.dtype.byteorder == "=" and sys.byteorder == "big":
            block = block.byteswap()
        yield block.view(numpy.uint8)


class Picked(object):
    """Some elements of an array as its pieces go by: every step-th, an odd number so that no column is all there is."""

    def __init__(self, kind, shape, width, pieces, most):
        self.kind, self.shape, self.width, self.pieces = kind, shape, width, pieces
        count = 1
        for length in shape:
            count *= length
        self.step = -(-count // most) | 1
        self.bits, self.due = [], 0

    def watched(self):
        stride, at = self.step * self.width, 0
        for piece in self.pieces:
            raw = memoryview(piece).cast("B") if len(piece) else b""
            while self.due + self.width <= at + len(raw):
                self.bits.append(bytes(raw[self.due - at : self.due - at + self.width]))
                self.due += stride
            at += len(raw)
            yield raw

    def sample(self, most):
        """Return what is kept of it where it gets no more than so many elements."""
        every = -(-len(self.bits) // most) | 1
        kept = b"".join(self.bits[::every])
        return {"dtype": self.kind, "shape": self.shape, "step": self.step * every, "bits": kept.hex()}


def digest(value, plain):
    """Return (sha256, samples) of a result."""
    whole, picked = hashlib.sha256(), []
    for leaf in leaves(value, plain):
        if isinstance(leaf, str):
            whole.update(leaf.encode() + b"\n")
            continue
        one = Picked(*leaf, most=SAMPLE)
        whole.update("array {} {}\n".format(one.kind, one.shape).encode())
        for raw in one.watched():
            whole.update(raw)
        whole.update(b"\n")
        if len(picked) < SAMPLE:
            picked.append(one)
    return whole.hexdigest(), [one.sample(SAMPLE // len(picked)) for one in picked]


def ask(name, function, plain, times):
    try:
        tell(begin=name)
        value = function()
        if value is None:
            raise Unhashable("it returns None")
        first = digest(value, plain)
        del value
        again = first
        for _ in range(times - 1):
            tell(again=name)
            again = digest(function(), plain)
    except Unhashable as error:
        tell(answer=name, status="unhashable", reason=str(error))
    except BaseException as error:
        tell(answer=name, status="raised", reason=one_line(error))
    else:
        if first[0] != again[0]:
            tell(answer=name, status="noisy", samples=first[1], reason="two runs in one process differ")
        else:
            tell(answer=name, status="ok", sha256=first[0], samples=first[1])


def built_in(plan):
    """Return (version, [(name, sensitive, function)], plain) of a suite of ours."""
    probes = []

    def probe(name, sensitive, device="cpu"):
        def keep(function):
            if device == plan["device"]:
                probes.append((name, sensitive, function))
            return function

        return keep

    # A module whose source can be found, for what compiles functions from it: tf.function, torch.jit, numba.
    suite = types.ModuleType("envlock_probes")
    suite.probe = probe
    sys.modules[suite.__name__] = suite
    linecache.cache["<probes>"] = (len(plan["suite"]), None, plan["suite"].splitlines(True), "<probes>")
    exec(compile(plan["suite"], "<probes>", "exec", dont_inherit=True), suite.__dict__)
    version = suite.load(plan["threads"], plan["pass"] == "canonical", plan["device"])
    suite.define()
    return str(version), probes, getattr(suite, "plain", None)


def project(plan):
    """Return the same of the project's own probes: functions of modules of its folder, or of a folder src in it."""
    folders = [os.path.join(plan["folder"], "src"), plan["folder"]]
    for folder in folders:
        if os.path.isdir(folder):
            sys.path.insert(0, folder)
    os.chdir(plan["folder"])
    probes = []
    for name in sorted(plan["targets"]):
        probes.append((name, "what the project computes", caller(plan["targets"][name], plan["folder"])))
    return "", probes, unattached


def unattached(value):
    """Return a tensor of PyTorch, whatever device it is on and whether or not it is differentiated, as an array."""
    if not (hasattr(value, "detach") and hasattr(value, "cpu") and hasattr(value, "numpy")):
        return None
    value = value.detach().cpu()
    if str(value.dtype) != "torch.bfloat16":
        return value.numpy()
    import numpy
    import torch

    flat = value.contiguous().reshape(-1).view(torch.int16).numpy()
    pieces = numpy_pieces(numpy, flat, "bfloat16", 2)
    return "bfloat16", tuple(value.shape), b"".join(piece.tobytes() for piece in pieces)


def caller(target, folder):
    module, _, function = target.partition(":")

    def call():
        os.chdir(folder)
        found = importlib.import_module(module)
        for part in function.split("."):
            found = getattr(found, part)
        return found()

    return call


def on_so_many_cpus(count):
    """Stay on some of the CPUs: what asks nothing but their number, as XLA's pool does, takes as many threads."""
    if hasattr(os, "sched_setaffinity"):
        try:
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
        except OSError:
            pass  # a sandbox may forbid it; variables and the suite tell the number too


def loading(times, seconds):
    """Say now and then that the framework is being imported, and no more after so many times: then it hangs."""
    loaded = threading.Event()

    def watch():
        for _ in range(int(times * 2)):
            if loaded.wait(seconds):
                return
            tell(loading=True)

    threading.Thread(target=watch, daemon=True).start()
    return loaded


def end_with_parent():
    """Let Linux end this process when envlock is killed: nobody else would end what hangs."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL
    except Exception:
        pass  # another system, or a Python without ctypes


def main(plan):
    if sys.platform.startswith("linux") and os.getppid():  # a container's first process has none that it sees
        end_with_parent()
    os.write(TOLD, b"\n")  # ends a line that a sitecustomize may have left open
    tell(started=True)
    loaded = loading(*plan["loading"])
    if plan["threads"] is not None and plan["device"] == "cpu":
        on_so_many_cpus(plan["threads"])
    try:
        version, probes, plain = project(plan) if plan["targets"] else built_in(plan)
    except ImportError as error:
        kind = "missing" if isinstance(error, ModuleNotFoundError) and error.name == plan["module"] else "import-failed"
        return tell(failed={"kind": kind, "reason": one_line(error)})
    except BaseException as error:
        return tell(failed={"kind": "import-failed", "reason": one_line(error)})
    loaded.set()
    only = plan["only"]
    wanted = [each for each in probes if only is None or each[0] in only]
    tell(loaded={"version": version, "probes": [each[:2] for each in wanted]})
    for name, _, function in wanted:
        if name not in plan["skip"]:
            ask(name, function, plain, plan["times"])
    tell(end=True)


main(PLAN)
os._exit(0)  # frameworks may hang in their own ends
