"""`envlock init`: a first manifest, with its reasons as comments, from what is in a folder."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from envlock.errors import UsageError
from envlock.model.hardware import AcceleratorClass, HardwareClass
from envlock.model.machine import Accelerators, Machine
from envlock.model.manifest_parser import parse_manifest
from envlock.model.recipe import load_recipe, packaged_recipe_folders
from envlock.operations.surroundings import Surroundings

_COLUMN = 40


def initial_manifest(folder: Path, found: Surroundings, *, env: str, machine: tuple[str, HardwareClass]) -> str:
    """Return the text of a manifest that locks what is there.

    Args:
        folder: where it will stand.
        found: what `look_around` saw.
        env: the environment's name.
        machine: a class that this machine belongs to and its name, which is written as a comment.

    Raises UsageError (`nothing-to-lock`) where nothing says what is wanted.
    """
    if found.source is None and not found.requirements and not found.frameworks:
        raise UsageError(
            "nothing-to-lock",
            "There is no requirements.txt, pyproject.toml, uv.lock or poetry.lock here, and no virtual environment "
            "with packages in it.",
            hint="Write what you need into requirements.txt, a line each, and run `envlock init` again.",
        )
    lines = ["# What `envlock lock` pins; `envlock add` and `envlock remove` edit it too.", "", f"[env.{env}]"]
    lines += _environment(found)
    lines += _image(found.python, env)
    lines += ["", f"# [env.{env}.settings]", "# threads = 8", '# env = { PYTHONHASHSEED = "0" }']
    name, hardware = machine
    lines += ["", "# This machine, as a class of hardware that environments may name.", f"# [hardware.{name}]"]
    lines += [f"# {line}" for line in _class(hardware)]
    text = "\n".join(lines) + "\n"
    parse_manifest(folder / "envlock.toml", tomllib.loads(text))
    return text


def _environment(found: Surroundings) -> Iterator[str]:
    yield _said("python", found.python, f"from {found.python_from}")
    if found.source is not None:
        also = f"also here: {', '.join(found.others)}" if found.others else ""
        yield _said("from", found.source, also)
    groups = [json.dumps(name) for name in found.groups]
    if groups:
        comment = "dependency groups of pyproject.toml"
        yield _row(f"{'' if found.needs_groups else '# '}groups = [{', '.join(groups)}]", comment)
    if found.extras:
        yield _row(f"# extras = [{', '.join(map(json.dumps, found.extras))}]", "extras of pyproject.toml")
    if found.frameworks:
        table = ", ".join(f"{name} = {json.dumps(text)}" for name, text in sorted(found.frameworks.items()))
        yield _row(f"frameworks = {{ {table} }}", "what decides the results")
    if found.requirements:
        yield "dependencies = ["
        yield from (f"    {json.dumps(text)}," for text in found.requirements)
        yield _row("]", f"as installed in {found.venv}; everything of it: envlock lock --from-venv {found.venv}")
    else:
        # There from the start, so that `add` writes here and not below whatever comments end the table.
        yield "dependencies = []"
    if found.locked_elsewhere:
        yield _said("as-of", "none", f"{found.source} says which releases")
    elif found.frameworks and not found.pinned and not found.requirements:
        yield _said("as-of", "release", 'releases after the framework\'s do not exist; or a date, or "none"')
    else:
        yield _said("as-of", "none", 'a date such as "2021-05-15" or "release": later releases do not exist')


def _image(python: str, env: str) -> list[str]:
    """Name the newest base that has this Python."""
    folders = packaged_recipe_folders()
    recipes = [load_recipe(path.stem, (folder,)) for folder in folders for path in sorted(folder.glob("*.toml"))]
    fitting = sorted((recipe.end_of_life, recipe.name) for recipe in recipes if recipe.python == python)
    if fitting:
        return ["", f"[env.{env}.image]", _said("base", fitting[-1][1], "what `envlock build` puts it on")]
    known = ", ".join(sorted({recipe.python for recipe in recipes}, key=lambda version: int(version.split(".")[1])))
    comment = f"any image with Python {python} and glibc; recipes are there for {known}"
    return ["", f"# [env.{env}.image]", _row(f'# base = "registry.example.com/python:{python}-slim"', comment)]


def _said(key: str, value: str, comment: str) -> str:
    return _row(f"{key} = {json.dumps(value)}", comment)


def _row(text: str, comment: str) -> str:
    return f"{text:<{_COLUMN}} # {comment}" if comment else text


def _class(hardware: HardwareClass) -> list[str]:
    """Return a class as TOML, an accelerator on one line, without what it does not say."""
    import tomlkit

    table = tomlkit.document()
    for key, value in msgspec.to_builtins(hardware).items():
        if isinstance(value, dict):
            inline = tomlkit.inline_table()
            inline.update({inner: said for inner, said in value.items() if said})
            table[key] = inline
        elif value:
            table[key] = list(value) if isinstance(value, tuple) else value
    return tomlkit.dumps(table).strip().splitlines()


def suggested_class(machine: Machine) -> tuple[str, HardwareClass]:
    """Return a class that a machine belongs to, and a name for it: the GPU's model, or `cpu`.

    Its level of CPU, its memory rounded down, and its accelerators; nothing of what could not be seen.
    """
    accelerator = _accelerator(machine.accelerators) if isinstance(machine.accelerators, Accelerators) else None
    kind = accelerator.kind if accelerator is not None else "none"
    name = (
        accelerator.models[0] if accelerator is not None and accelerator.models else "cpu" if kind == "none" else kind
    )
    level = getattr(machine.cpu, "level", "")
    memory = machine.memory >> 30 if isinstance(machine.memory, int) else 0
    memory -= memory % 4 if memory > 8 else 0
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"), HardwareClass(
        cpu_level=f">={level}" if level else None,
        memory_gib=f">={memory}" if memory else None,
        accelerator=accelerator,
    )


def _accelerator(seen: Accelerators) -> AcceleratorClass:
    if not seen.devices:
        return AcceleratorClass(kind="none")
    kind = seen.devices[0].kind
    devices = [device for device in seen.devices if device.kind == kind]
    memory = min(device.memory for device in devices) >> 30
    # Of AMD's driver the version of the kernel says nothing.
    driver = seen.driver.partition(".")[0] if kind == "nvidia" else ""
    return AcceleratorClass(
        kind=kind,
        models=tuple(
            sorted({" ".join([d.model, *(["MIG", d.mig_profile] if d.mig_profile else [])]) for d in devices})
        ),
        count=">=1",
        memory_gib=f">={memory}" if memory else None,
        driver=f">={driver}" if driver else None,
    )


def next_steps(env: str, lines_added: Iterable[str], *, in_git: bool) -> list[str]:
    """Return what to say after the manifest is there."""
    steps = [f"wrote {name}" for name in ("envlock.toml", *lines_added)]
    steps.append(f"  next: envlock lock {env}")
    if in_git:
        steps.append("  then: envlock merge-driver --install, for merges that relock")
    return steps
