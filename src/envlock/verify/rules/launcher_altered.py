"""launcher-altered: a generated script is not what an installer writes for its entry point."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from envlock.formats.launcher import body_of, launchers, named_interpreter
from envlock.model.finding import Finding, Rule
from envlock.verify.case import Case
from envlock.verify.proof import Proof

RULE = Rule(
    id="launcher-altered",
    family="FILE",
    needs="bytes",
    title="Launchers are what an installer writes for their entry point and this interpreter, and nothing else.",
    why="It is the first code that runs, and no wheel vouches for its bytes.",
    nature="integrity",
    impact="security",
    source="Entry points specification; the texts of uv, pip, installer and envlock's images",
)


def check(case: Case) -> Iterator[Finding]:
    """Yield a finding for each launcher or rewritten script with other bytes, or for another interpreter."""
    environment = case.environment
    if environment is None or not environment.hashed or environment.layout.is_windows:
        return  # on Windows launchers are programs; file hashes in RECORD are all there is
    altered = [
        (name, *row)
        for name, proof in case.proofs.items()
        if proof.state not in ("rebuilt", "unproven")
        for row in [*_generated(case, proof), *_rewritten(case, proof)]
    ]
    if moved := _moved_from(case, [path for _, path, _, _ in altered]):
        yield RULE.finding(
            f"{len(altered)} scripts",
            expected=_interpreters(case),
            found=f"#!{moved}: the environment was moved, or copied, from there",
            fix=case.reinstall(),
            why="Its scripts start another interpreter than its own, with other packages, or none.",
            nature="drift",
        )
        return
    for name, path, expected, found in altered:
        yield RULE.finding(
            f"{name}: {case.shown(path)}",
            expected=expected,
            found=found,
            fix=case.reinstall(),
            package=name,
            path=case.shown(path),
            rank=case.influence(name).rank,
        )


def _generated(case: Case, proof: Proof) -> Iterator[tuple[str, str, str]]:
    files = case.environment.files if case.environment else {}
    for path, script in sorted(proof.claim.launchers.items()):
        file = files.get(path)
        if file is None or case.owners.get(path, proof.distribution).name != proof.distribution.name:
            continue
        expected = f"the launcher of {script.module}:{script.attr}"
        if file.content is None:
            yield path, expected, file.problem or "something that is no script"
            continue
        body = body_of(file.content, case.shebangs)
        if body is None:
            yield path, _interpreters(case), _first_line(file.content)
        elif body not in set(launchers(script)):
            yield path, expected, "another text"


def _rewritten(case: Case, proof: Proof) -> Iterator[tuple[str, str, str]]:
    files = case.environment.files if case.environment else {}
    for path in proof.shebangs:
        yield path, _interpreters(case), _first_line(files[path].content or b"")


def _moved_from(case: Case, altered: list[str]) -> str:
    """Return the one foreign interpreter that all scripts of wheels name, if they do; a tampered one stands alone."""
    environment = case.environment
    if environment is None or len(altered) < 2:
        return ""
    named: dict[str, str] = {}
    for proof in case.proofs.values():
        for path in {*proof.claim.launchers, *proof.claim.rows}:
            file = environment.files.get(path)
            if file is not None and file.content and posixpath.dirname(path) == environment.layout.scripts:
                named[path] = named_interpreter(file.content)
    pythons = {python for python in named.values() if python}
    all_of_them = {path for path, python in named.items() if python} == set(altered)
    return pythons.pop() if len(pythons) == 1 and all_of_them else ""


def _interpreters(case: Case) -> str:
    environment = case.environment
    return f"#!{environment.layout.pythons[0]}" if environment and environment.layout.pythons else "#!python"


def _first_line(text: bytes) -> str:
    lines = text.split(b"\n", 2)
    line = lines[1] if lines[0] == b"#!/bin/sh" and len(lines) > 1 else lines[0]
    return ascii(line[:200].decode("utf-8", "replace"))[1:-1]
