"""The interpreter that compiles an image's bytecode: the image's own, or its twin for the processor of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from envlock.errors import EnvlockError, IntegrityError, UnverifiableError, UsageError
from envlock.image.plan import image_of
from envlock.model.edges import Compiler, Sandbox
from envlock.model.lock import Base, Lock
from envlock.model.platform import Platform
from envlock.operations.edges import Edges
from envlock.operations.roots import layered_root, unpacked_root

_ASK = "import sys; sys.stdout.write(sys.implementation.name + ' ' + sys.version.split()[0].rstrip('+'))"
_BY_DIGEST = (
    "Or build where it runs, once, and share lockfiles/envlock.sum and a repository: "
    "layers that both know are taken by digest, and nothing is compiled."
)
_TAIL = 2000
_REBUILT = re.compile(r"\+b\d+$")


@contextmanager
def open_compiler(lock: Lock, platform: Platform, edges: Edges) -> Iterator[Compiler]:
    """Open the compiler of one platform's image; its root is unpacked and checked now.

    Bytecode depends on the version of CPython and not on the processor, so that where the lock has the same interpreter
    for this machine's processor, that one compiles: the bytes are the same, without an emulator.
    Raises UnverifiableError (`foreign-architecture`, `no-namespaces`) where none of the lock's interpreters can run
    here, IntegrityError (`other-interpreter`) for one that is not of the locked version, and UsageError
    (`base-interpreter-failed`).
    """
    base, _ = image_of(lock)
    root = _root(lock, base, platform, edges)
    with edges.compiler(root, base.interpreter) as compiler:
        yield compiler


def twins(base: Base, platforms: Sequence[Platform], platform: Platform, machine: Platform | None) -> list[Platform]:
    """Return the platforms whose interpreter compiles the same bytes as the one of `platform`, the best one first.

    That is this machine's own, then `platform` itself, which an emulator may run, then the others.
    """
    wanted = _interpreter(base, platform)
    same = {each for each in platforms if each.is_linux and _interpreter(base, each) == wanted}
    return sorted({platform, *same}, key=lambda each: (each != machine, each != platform, each))


def _interpreter(base: Base, platform: Platform) -> set[tuple[str, str]]:
    """Return name and version of the interpreter's packages; none for a base from a registry, which is one image.

    A rebuild of the same source for one architecture (``+b1``) is the same interpreter.
    """
    feature = ".".join(base.python.split(".")[:2])
    names = (f"python{feature}", f"libpython{feature}")
    packages = () if base.image is not None else base.of(platform)
    return {(deb.name, _REBUILT.sub("", deb.version)) for deb in packages if deb.name.startswith(names)}


def _root(lock: Lock, base: Base, platform: Platform, edges: Edges) -> Path:
    """Return the first root whose interpreter runs here."""
    candidates = twins(base, lock.platforms, platform, edges.machine)
    for candidate in candidates:
        if base.image is None:
            root = unpacked_root(base, candidate, edges, build=False)
        else:
            root = layered_root(lock, candidate, edges)
        try:
            _check_interpreter(root, base, edges.sandbox)
        except UnverifiableError as error:
            if error.reference == "foreign-architecture":
                continue
            error.hint = f"{error.hint} {_BY_DIGEST}"
            raise
        return root
    raise _foreign(lock, base, platform, candidates, edges.machine)


def _check_interpreter(root: Path, base: Base, sandbox: Sandbox) -> None:
    """Start the interpreter and ask what it is."""
    process = sandbox.start(root, [base.interpreter, "-I", "-S", "-B", "-c", _ASK], environment={})
    pipes = [pipe for pipe in (process.stdin, process.stdout, process.stderr) if pipe is not None]
    try:
        said, complaint = (
            pipe.read(_TAIL).decode("utf-8", "replace").strip() if pipe else ""
            for pipe in (process.stdout, process.stderr)
        )
        status = process.wait()
    finally:
        process.kill()
        process.wait()
        for pipe in pipes:
            pipe.close()
    if status:
        raise UsageError(
            "base-interpreter-failed",
            f"{base.interpreter} of the base does not start.",
            expected=f"CPython {base.python}",
            found=f"exit status {status}\n{complaint}".strip(),
            hint="Set `bytecode = false` in the environment's [image] to build without compiled modules.",
        )
    if said != f"cpython {base.python}":
        raise IntegrityError(
            "other-interpreter",
            f"{base.interpreter} of the base is not what is locked.",
            expected=f"cpython {base.python}",
            found=said,
            hint="The lock was edited, or names another image than it was made of: run `envlock lock` again.",
        )


def _foreign(
    lock: Lock, base: Base, platform: Platform, tried: Sequence[Platform], machine: Platform | None
) -> EnvlockError:
    ways = [f"Build on {platform}"]
    if machine is not None and machine not in lock.platforms:
        ways.insert(0, f'Add "{machine}" to the platforms of {lock.env}, whose interpreter then compiles for both')
    elif machine is not None:
        ways.insert(0, f"Lock again, so that {machine} and {platform} have one version of Python (envlock lock --os)")
    ways.append("take the layers by digest from a registry that has them, with lockfiles/envlock.sum in git")
    ways.append("or set `bytecode = false` in the environment's [image]")
    return UnverifiableError(
        "foreign-architecture",
        f"Nothing on this machine can compile bytecode for {platform}.",
        where=f"{base.interpreter}, Python {base.python}",
        expected=f"an interpreter that runs on {machine or 'this machine'}",
        found=", ".join(map(str, tried)),
        hint=f"{', '.join(ways)}.",
    )
