"""Shows what a deploy would send."""

from pathlib import Path
from typing import Any

import click

from director.cli.commands.texts import edits_in, read_text, with_ops_and_vars
from director.cli.context import Context, pass_context
from director.cli.show import show_text


@click.command()
@click.argument("path", metavar="MANIFEST", type=click.Path(path_type=Path))
@with_ops_and_vars
@click.option("--path", "pointer", default="", metavar="/KEY/0/NAME=VALUE", help="Only what stands there.")
@click.option("--var-errs", is_flag=True, help="Fail when a variable has no value.")
@click.option("--var-errs-unused", is_flag=True, help="Fail when a value is not used.")
@pass_context
def interpolate(
    context: Context, /, path: Path, pointer: str, var_errs: bool, var_errs_unused: bool, **options: Any
) -> None:
    """Shows MANIFEST with ops files and variables applied.

    Ops files go first, then variables, then --path. MANIFEST may be any YAML file, or - for standard input. Talks to
    no director.
    """
    text, edits = read_text(path), edits_in(options)
    if pointer or var_errs or var_errs_unused or any(edits.values()):
        # Only who edits pays for the reader and writer of YAML.
        from director.cli.commands.edit import edit  # noqa: PLC0415
        from director.manifest.write import write  # noqa: PLC0415

        tree = edit(text, str(path), edits, path=pointer, must_fill=var_errs, must_use=var_errs_unused)
        text = tree if pointer and isinstance(tree, str) else write(tree)
    show_text(text, as_json=context.as_json)
