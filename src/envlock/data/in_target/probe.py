# ruff: noqa
# mypy: ignore-errors
# Runs in the target's interpreter, `python -s -B -`, Python 3.6 and up, standard library only; what it probes, the
# suite imports. PLAN is written in front of this script (observe/numerics.py).
#
# Tells, one JSON object a line on what was stdout when it started:
#   {"loaded": {"version": text, "probes": [[name, sensitive], ...]}}   once, those that will be asked
#   {"begin": name}                                                     so that a crash has a name
#   {"answer": name, "status": ..., "sha256": hex, "samples": [...], "reason": text}
#   {"failed": {"kind": "missing" | "import-failed", "reason": text}}   instead of all that
#   {"end": true}
import hashlib
import importlib
import json
import os
import struct
import sys

TOLD = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)  # whatever frameworks and probes print is not an answer
sys.path[:] = [folder for folder in sys.path if folder not in ("", os.getcwd())]

SAMPLE = 32
"""Elements that are kept of a result, over all of its arrays."""


def tell(**message):
    TOLD.write(json.dumps(message, sort_keys=True) + "\n")
    TOLD.flush()


def one_line(error):
    return " ".join("{}: {}".format(type(error).__name__, error).split())[:300]


class Unhashable(Exception):
    pass


def leaves(value, plain, depth=0):
    """Yield a result as bytes to hash (str of structure) and arrays (dtype, shape, little-endian bytes)."""
    if depth > 8:
        raise Unhashable("it is nested more than 8 deep")
    found = plain(value) if plain is not None else None
    if found is not None:
        yield found
    elif value is None or isinstance(value, bool):
        yield repr(value)
    elif isinstance(value, int):
        yield "int %d" % value
    elif isinstance(value, float):
        yield "<f8", (), struct.pack("<d", value)
    elif isinstance(value, complex):
        yield "<c16", (), struct.pack("<dd", value.real, value.imag)
    elif isinstance(value, str):
        yield "str " + json.dumps(value)
    elif isinstance(value, (bytes, bytearray)):
        yield "|u1", (len(value),), bytes(value)
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
        yield array(value.__array__())
    else:
        raise Unhashable("nothing says how to compare a {}".format(type(value).__name__))


def array(found):
    """Return a numpy array as (dtype, shape, bytes): little-endian, C order, NaNs of one kind."""
    import numpy

    if found.dtype.kind not in "biufc":
        raise Unhashable("nothing says how to compare an array of {}".format(found.dtype))
    found = numpy.ascontiguousarray(found).reshape(found.shape)
    if found.dtype.kind in "fc" and numpy.isnan(found).any():
        found = numpy.where(numpy.isnan(found), numpy.array(float("nan"), found.dtype), found)
    kind = found.dtype.newbyteorder("<")
    return kind.str, tuple(found.shape), found.astype(kind, copy=False).tobytes()


def digest(value, plain):
    """Return (sha256, samples) of a result."""
    whole, arrays = hashlib.sha256(), []
    for leaf in leaves(value, plain):
        if isinstance(leaf, str):
            whole.update(leaf.encode() + b"\n")
            continue
        kind, shape, raw = leaf
        whole.update("array {} {}\n".format(kind, list(shape)).encode() + raw + b"\n")
        arrays.append(leaf)
    samples = []
    for kind, shape, raw in arrays[:SAMPLE]:
        width = int("".join(c for c in kind if c.isdigit()))
        count = len(raw) // width
        step = max(1, -(-count // max(1, SAMPLE // len(arrays[:SAMPLE]))))
        bits = b"".join(raw[at * width : (at + 1) * width] for at in range(0, count, step))
        samples.append({"dtype": kind, "shape": list(shape), "step": step, "bits": bits.hex()})
    return whole.hexdigest(), samples


def ask(name, function, plain):
    try:
        results = [digest(function(), plain) for _ in range(2)]
    except Unhashable as error:
        return tell(answer=name, status="unhashable", reason=str(error))
    except BaseException as error:
        return tell(answer=name, status="raised", reason=one_line(error))
    if results[0][0] != results[1][0]:
        return tell(answer=name, status="noisy", reason="two runs in one process differ", samples=results[0][1])
    tell(answer=name, status="ok", sha256=results[0][0], samples=results[0][1])


def built_in(plan):
    """Return (version, [(name, sensitive, function)], plain) of a suite of ours."""
    probes = []

    def probe(name, sensitive, device="cpu"):
        def keep(function):
            if device == plan["device"]:
                probes.append((name, sensitive, function))
            return function

        return keep

    suite = {"probe": probe, "__name__": "envlock_probes"}
    exec(compile(plan["suite"], "<probes>", "exec"), suite)
    version = suite["load"](plan["threads"], plan["pass"] == "canonical", plan["device"])
    suite["define"]()
    return version, probes, suite.get("plain")


def project(plan):
    """Return the same of the project's own probes: functions of modules of its folder."""
    sys.path.insert(0, plan["folder"])
    os.chdir(plan["folder"])
    probes = []
    for name in sorted(plan["targets"]):
        probes.append((name, "what the project computes", caller(plan["targets"][name])))
    return "", probes, None


def caller(target):
    module, _, function = target.partition(":")

    def call():
        found = importlib.import_module(module)
        for part in function.split("."):
            found = getattr(found, part)
        return found()

    return call


def main(plan):
    try:
        version, probes, plain = project(plan) if plan["targets"] else built_in(plan)
    except ImportError as error:
        return tell(failed={"kind": "missing" if error.name else "import-failed", "reason": one_line(error)})
    except BaseException as error:
        return tell(failed={"kind": "import-failed", "reason": one_line(error)})
    wanted = [each for each in probes if (plan["only"] is None or each[0] in plan["only"])]
    tell(loaded={"version": version, "probes": [each[:2] for each in wanted]})
    for name, _, function in wanted:
        if name not in plan["skip"]:
            tell(begin=name)
            ask(name, function, plain)
    tell(end=True)


main(PLAN)
TOLD.flush()
os._exit(0)  # frameworks may hang in their own ends
