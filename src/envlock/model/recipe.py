"""Base recipes: what a Debian base is resolved from, one TOML file each in images/."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path

import msgspec

from envlock.errors import UsageError
from envlock.model import records
from envlock.model.distribution import Distribution, KnownScript, RecipeSuite
from envlock.model.effects import EFFECTS

__all__ = ["KnownScript", "Recipe", "RecipeSuite", "load_recipe", "packaged_recipe_folders", "parse_recipe"]


class Recipe(Distribution, frozen=True, kw_only=True):
    """A Debian release, the packages a base of it wants, and the Python that comes out."""

    name: str
    interpreter: str
    """Absolute path of the interpreter inside the base."""
    python: str
    """Feature version of that interpreter, such as 3.9."""
    glibc: str
    """Version of glibc, such as 2.31: wheels may need no newer one."""
    end_of_life: date
    packages: tuple[str, ...]
    build_packages: tuple[str, ...] = ()

    @property
    def canonical(self) -> str:
        """What decides the resolved base, as one line of JSON with sorted keys."""
        fields = msgspec.to_builtins(self)
        del fields["end-of-life"]
        return msgspec.json.encode(fields, order="sorted").decode()


def packaged_recipe_folders() -> tuple[Path, ...]:
    """Return the folders of the recipes that come with envlock, the wheel's or the checkout's."""
    package = Path(str(files("envlock")))
    candidates = (package / "data" / "images", package.parents[1] / "images")
    return tuple(folder for folder in candidates if folder.is_dir())


def load_recipe(reference: str, folders: Sequence[Path]) -> Recipe:
    """Return the recipe `<reference>.toml` of the first folder that has it.

    Raises UsageError (`unknown-recipe`, `bad-recipe`) with the known names, or with the line and the nearest key.
    """
    if "/" not in reference and not reference.startswith("."):
        for folder in folders:
            path = folder / f"{reference}.toml"
            if path.is_file():
                return parse_recipe(path.read_bytes(), name=reference, where=path.name)
    known = sorted({path.stem for folder in folders if folder.is_dir() for path in folder.glob("*.toml")})
    nearest = difflib.get_close_matches(reference, known, n=1)
    raise UsageError(
        "unknown-recipe",
        f"No base recipe is called {reference!r}.",
        expected=", ".join(known) or "a file images/<name>.toml",
        found=reference,
        hint=f"did you mean {nearest[0]!r}?" if nearest else "write images/<name>.toml, or name one of these",
    )


def parse_recipe(raw: bytes, *, name: str, where: str) -> Recipe:
    """Parse the text of a recipe; UsageError (`bad-recipe`) says line and column, or the key and its nearest one."""
    try:
        fields = tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError("bad-recipe", "The recipe is not UTF-8.", where=f"{where}, byte {error.start}") from error
    except tomllib.TOMLDecodeError as error:
        raise UsageError("bad-recipe", f"The recipe is not TOML: {error}.", where=where) from error
    try:
        recipe = records.convert({"name": name, **fields}, Recipe)
    except msgspec.ValidationError as error:
        raise UsageError(
            "bad-recipe", f"The recipe does not say what it should: {error}.", where=where, hint=_nearest(fields)
        ) from error
    for script in recipe.scripts:
        for effect in script.effects:
            if effect not in EFFECTS:
                raise UsageError(
                    "bad-recipe",
                    f"No effect is called {effect!r}.",
                    where=f"{where}, scripts of {script.package}",
                    expected=", ".join(EFFECTS),
                    found=effect,
                )
    return recipe


def _nearest(fields: dict[str, object]) -> str:
    """Return a hint for the first unknown top-level key, or nothing."""
    known = [field.encode_name for field in msgspec.structs.fields(Recipe)]
    for key in fields:
        if key not in known:
            nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            return f"{key!r}: did you mean {nearest[0]!r}?" if nearest else f"{key!r} is no key of a recipe"
    return ""
