"""`envlock export`."""

from __future__ import annotations

from pathlib import Path

import click

from envlock.cli.wiring import environments, manifest_here, only, relative


@click.command("export")
@click.argument("env", required=False, shell_complete=environments)
@click.option(
    "--format",
    "form",
    type=click.Choice(["requirements", "dockerfile", "cyclonedx"]),
    required=True,
    help="What to write.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Where; stdout.")
@click.option("--json", "as_json", is_flag=True, envvar="ENVLOCK_JSON", help="Print the result as JSON.")
@click.pass_context
def command(ctx: click.Context, env: str | None, *, form: str, output: Path | None, as_json: bool) -> None:
    """Write a lock in another tool's form: a requirements file with hashes, a Dockerfile pinned by digest, or a bill of
    materials (CycloneDX 1.6).

    pip reads the requirements from version 20.3 on, so that the Pythons whose last pip cannot read a pylock install
    from the lock too.
    """
    import json

    from envlock.formats.beside import write_named
    from envlock.formats.pylock import read_lock
    from envlock.image.sums import read_sums
    from envlock.operations.export import dockerfile_text, off_index, requirements_text

    manifest = manifest_here()
    name = only(manifest, env)
    path = manifest.lock_path(name)
    lock_file = read_lock(path)
    notes = []
    if form == "requirements":
        text = requirements_text(lock_file, folder=path.parent, beside=(output or Path("requirements.txt")).parent)
        absent = [wheel.name for wheel in off_index(lock_file.lock) if not (path.parent / (wheel.path or "")).is_file()]
        if absent:
            notes.append(f"no index has {', '.join(absent)}: `envlock fetch {name}` puts the files where pip looks")
    elif form == "cyclonedx":
        from envlock.operations.sbom import cyclonedx_json

        text = cyclonedx_json(lock_file).decode()
    else:
        requirements = f"requirements.{name}.txt"
        image = manifest.environment(name).image
        text = dockerfile_text(lock_file, image, read_sums(manifest.sums_path), requirements=requirements)
        if requirements in text:
            notes.append(
                f"the Dockerfile installs from a file: envlock export {name} --format requirements -o {requirements}"
            )
    if output is not None:
        write_named(output, text.encode())
    if as_json:
        shown = relative(output.absolute()) if output else None
        row = {"schema": 1, "env": name, "format": form, "path": shown, "text": text, "notes": notes}
        click.echo(json.dumps(row, indent=2))
    elif output is None:
        click.echo(text, nl=False)
    else:
        click.echo(f"wrote {relative(output.absolute())}")
    for note in () if ctx.obj["quiet"] or as_json else notes:
        click.secho(f"note: {note}", fg="yellow", err=True)
