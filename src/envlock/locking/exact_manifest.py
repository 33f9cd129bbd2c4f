"""The manifest that locks exactly what is installed."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence

from envlock.errors import UsageError
from envlock.locking.installed import Installed
from envlock.model.recipe import load_recipe, packaged_recipe_folders

_HEADER = """\
# What was installed in a virtual environment, taken by `envlock lock --from-venv`.
# Loosen what need not stay as it is, then `envlock lock` again.
"""


def manifest_from(installed: Installed, env: str) -> str:
    """Return the text of a manifest that locks exactly what is installed.

    Raises UsageError (`nothing-to-lock`) where nothing is.
    """
    return f"{_HEADER}\n{_tables(installed, ('env', env))}"


def added_to(text: str, installed: Installed, env: str) -> str:
    """Return the text of an envlock.toml, or of a pyproject.toml with [tool.envlock], with one environment more.

    Not a character of what is there changes. Raises UsageError (`nothing-to-lock`).
    """
    inside = ("tool", "envlock") if "envlock" in tomllib.loads(text).get("tool", {}) else ()
    return f"{text.rstrip()}\n\n{_HEADER}{_tables(installed, (*inside, 'env', env))}"


def _tables(installed: Installed, place: Sequence[str]) -> str:
    """Return [env.NAME] and its image, below the keys of `place`."""
    import tomlkit

    if not installed.packages:
        raise UsageError(
            "nothing-to-lock",
            "Nothing is installed there that could be locked.",
            found=", ".join(f"{row.name}: {row.reason}" for row in installed.left_out),
        )
    table = tomlkit.table()
    table["python"] = installed.feature
    if installed.frameworks:
        frameworks = tomlkit.inline_table()
        frameworks.update(installed.frameworks)
        table["frameworks"] = frameworks
    table["dependencies"] = _lines(installed.dependencies)
    if installed.overrides:
        table.add(tomlkit.comment("What was installed contradicts what packages ask for; this keeps it as it was:"))
        table["overrides"] = _lines(installed.overrides)
    if str(installed.platform) != "linux/amd64":
        table["platforms"] = [str(installed.platform)]
    base = base_of(installed.feature) if installed.platform.is_linux else None
    if base is not None:
        image = tomlkit.table()
        image["base"] = base
        table["image"] = image
    for key in reversed(place[1:]):
        outer = tomlkit.table(is_super_table=True)
        outer[key] = table
        table = outer
    document = tomlkit.document()
    document[place[0]] = table
    return tomlkit.dumps(document)


def _lines(texts: Sequence[str]) -> list[str]:
    import tomlkit

    array = tomlkit.array()
    array.extend(texts)
    return array.multiline(True)


def base_of(python: str) -> str | None:
    """Return the recipe that comes with envlock for a feature version of Python; None where there is none."""
    folders = packaged_recipe_folders()
    for name in sorted({path.stem for folder in folders for path in folder.glob("*.toml")}):
        if load_recipe(name, folders).python == python:
            return name
    return None
