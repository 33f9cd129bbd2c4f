"""Prints the reference page of exit codes and errors: python tools/exit_codes_page.py > docs/reference/exit-codes.md.

Errors are read off the code: every place that raises one, or hands its name to a function that does.
"""

# ruff: noqa: E501  (a line of a page is a sentence)

from __future__ import annotations

import ast
import functools
import itertools
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import envlock
from envlock import errors

PACKAGE = Path(envlock.__file__).parent
_KINDS = {
    name: kind.exit_code
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.EnvlockError)
}
_REFERENCE = re.compile("[a-z0-9]+(-[a-z0-9]+)+")
_UNKNOWN = "…"
_MOST = 3
"""Sentences told of one reference: some, such as a manifest's, have dozens."""

_HEAD = """\
# Exit codes and errors

Written by `tools/exit_codes_page.py` from the code.

| code | meaning |
| --- | --- |
| 0 | match: done, fresh, equal, verified |
| 1 | drift or stale: what is here is not what is locked; reports or labels disagree; `--check` would change something |
| 2 | usage, configuration, input or output: no verdict was reached |
| 3 | could not verify: something that decides could not be seen, which is never a pass |
| 4 | integrity: bytes or a signature contradict what vouches for them |
| 130 | interrupted with Ctrl-C; nothing is half-written |
| 141 | whoever read the output closed it |

Where several hold, 4 comes before 1, and 1 before 3.
`envlock run` ends with the exit status of what it ran.
With `--exit-code`, `envlock diff` ends with 1 where there is a difference, as git's does.

`envlock verify` decides by [rules](../rules.md), each with its exit code.
An error names what is wrong, where, what was expected, what was found and the next step; its name, in brackets at the end of its first line, is one of these.
Names are stable: scripts may go by them.
A command that is typed wrongly (an unknown option, a file that is not there) is exit 2 too, with the usage and no name.
"""
_SECTIONS = {
    1: "drift or stale",
    2: "usage, configuration, input or output",
    3: "could not verify",
    4: "integrity or signature",
}


def page(package: Path = PACKAGE) -> str:
    """Return the page: the codes, then the errors of each, by name."""
    found = references(package)
    parts = [_HEAD]
    for code, title in _SECTIONS.items():
        parts.append(f"\n## Exit {code}: {title}\n\n| error | what it says |\n| --- | --- |\n")
        for reference in sorted(name for name, known in found if known == code):
            told = [_cell(text) for text in sorted(found[reference, code]) if text.strip(_UNKNOWN)]
            more = f"<br>and {len(told) - _MOST} more" if len(told) > _MOST else ""
            parts.append(f'| <a id="{reference}"></a>`{reference}` | {"<br>".join(told[:_MOST])}{more} |\n')
    return "".join(parts)


@functools.cache
def references(package: Path = PACKAGE) -> Mapping[tuple[str, int], set[str]]:
    """Return the sentences of every error by its reference and exit code, `…` where a value stands."""
    paths = [path for path in sorted(package.rglob("*.py")) if package / "data" not in path.parents]
    modules = [ast.parse(path.read_text("utf-8")) for path in paths]
    calls: dict[str, list[tuple[ast.Call, Scope]]] = defaultdict(list)
    scopes = [(node, scope) for tree in modules for node, scope in _calls(tree, Scope())]
    for node, scope in scopes:
        calls[_name(node.func)].append((node, scope))
    found: dict[tuple[str, int], set[str]] = defaultdict(set)
    for node, scope in scopes:
        kind = scope.base if _name(node.func) == "__init__" else _name(node.func)
        if kind not in _KINDS or len(node.args) < 2:  # click's UsageError has one argument, and no name
            continue
        for reference, what in _said(node, scope, calls):
            if _REFERENCE.fullmatch(reference):
                found[reference, _KINDS[kind]].add(re.sub(f"{_UNKNOWN}[{_UNKNOWN} ]*{_UNKNOWN}", _UNKNOWN, what))
    return found


class Scope:
    """The function that a call stands in, and the kind of error that its class is."""

    def __init__(self, function: ast.FunctionDef | None = None, base: str = "") -> None:
        self.function = function
        self.base = base

    def parameters(self) -> list[str]:
        """Return the names of its parameters, in order."""
        arguments = self.function.args if self.function else None
        return [each.arg for each in (*arguments.args, *arguments.kwonlyargs)] if arguments else []


def _calls(tree: ast.AST, scope: Scope) -> Iterator[tuple[ast.Call, Scope]]:
    for node in ast.iter_child_nodes(tree):
        inner = scope
        if isinstance(node, ast.ClassDef):
            inner = Scope(base=next((_name(base) for base in node.bases if _name(base) in _KINDS), ""))
        elif isinstance(node, ast.FunctionDef):
            inner = Scope(node, scope.base)
        elif isinstance(node, ast.Call):
            yield node, scope
        yield from _calls(node, inner)


def _said(call: ast.Call, scope: Scope, calls: Mapping[str, list[tuple[ast.Call, Scope]]]) -> Iterator[tuple[str, str]]:
    """Yield reference and sentence of a call, or of each call of the function that it stands in, if that names them."""
    first, what = call.args[:2]
    if isinstance(first, ast.IfExp) and isinstance(what, ast.IfExp) and ast.dump(first.test) == ast.dump(what.test):
        for reference, sentence in ((first.body, what.body), (first.orelse, what.orelse)):
            yield from itertools.product(_texts(reference, scope, {}), _texts(sentence, scope, {}))
        return
    names = set(_names(first))
    for given in _bound(names & set(scope.parameters()), scope, calls):
        local = {name: _assigned(name, scope) or [_UNKNOWN] for name in names - given.keys()}
        for values in itertools.product(*(({**given, **local})[name] for name in sorted(names))):
            fixed = given | {name: [value] for name, value in zip(sorted(names), values, strict=True)}
            yield from itertools.product(_texts(first, scope, fixed), _texts(what, scope, fixed))


def _bound(
    names: set[str], scope: Scope, calls: Mapping[str, list[tuple[ast.Call, Scope]]], depth: int = 3
) -> Iterator[dict[str, list[str]]]:
    """Yield what each call of a function gives its parameters, where any of these names is one; else nothing, once.

    What a caller got itself is looked for at its own callers, `depth` calls up.
    """
    if not names or scope.function is None or depth == 0:
        yield {}
        return
    for outer, around in calls[scope.function.name]:
        bound = dict(zip(scope.parameters(), outer.args, strict=False))
        bound |= {each.arg: each.value for each in outer.keywords if each.arg}
        if names <= bound.keys():
            above = {used for name in names for used in _names(bound[name])} & set(around.parameters())
            for given in _bound(above, around, calls, depth - 1):
                yield {name: _texts(value, around, given) for name, value in bound.items()}


def _names(node: ast.expr) -> Iterator[str]:
    """Yield the names whose values an expression takes, those of its conditions apart."""
    if isinstance(node, ast.IfExp):
        yield from (*_names(node.body), *_names(node.orelse))
    elif isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, (ast.JoinedStr, ast.FormattedValue)):
        yield from (
            name for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr) for name in _names(child)
        )


def _texts(node: ast.expr, scope: Scope, given: Mapping[str, list[str]]) -> list[str]:
    """Return what an expression may be, as far as it is written down; nothing for another error's reference."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.IfExp):
        match node.test:
            case ast.Compare(left=ast.Name(id=name), ops=[ast.Eq()], comparators=[ast.Constant(value=value)]):
                if name in given:
                    return _texts(node.body if given[name] == [value] else node.orelse, scope, given)
        return [*_texts(node.body, scope, given), *_texts(node.orelse, scope, given)]
    if isinstance(node, ast.JoinedStr):
        parts = [_texts(part, scope, given) for part in node.values]
        return ["".join(each) for each in itertools.product(*parts)]
    if isinstance(node, ast.FormattedValue):
        return _texts(node.value, scope, given) if isinstance(node.value, ast.Name) else [_UNKNOWN]
    if isinstance(node, ast.Name):
        return given.get(node.id) or _assigned(node.id, scope) or [_UNKNOWN]
    if isinstance(node, ast.Attribute) and node.attr == "reference":
        return []
    return [_UNKNOWN]


def _assigned(name: str, scope: Scope) -> list[str]:
    """Return the texts that a function gives to one of its names, also by a loop over what is written down."""
    found: list[str] = []
    for node in ast.walk(scope.function) if scope.function else ():
        if isinstance(node, ast.Assign):
            pairs = [(target, node.value) for target in node.targets]
        elif isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple):
            pairs = [(node.target, row) for row in node.iter.elts]
        else:
            continue
        for target, value in pairs:
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                single = list(zip(target.elts, value.elts, strict=False))
            else:
                single = [(target, value)]
            found += [
                str(each.value)
                for left, each in single
                if isinstance(left, ast.Name)
                and left.id == name
                and isinstance(each, ast.Constant)
                and isinstance(each.value, str)
            ]
    return list(dict.fromkeys(found))


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _cell(text: str) -> str:
    escaped = "".join("\\" + each if each in "|*[]<_" else each for each in text)
    return " ".join(escaped.replace("`", "").split())


if __name__ == "__main__":
    sys.stdout.write(page())
