"""`dexsy-bench new-method`: a working method to start from."""

from pathlib import Path
from typing import Annotated

import typer


def new_method(
    name: Annotated[str, typer.Argument(help="Of the method and of its file: letters, digits and underscores.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for NAME.py; made where needed.")] = Path("."),
) -> None:
    """Write NAME.py: a documented inversion that works at once, to be changed into your own.

    Its docstring says what a method promises. It is run from where it lies; nothing has to be
    installed or listed:

        dexsy-bench new-method mine
        dexsy-bench check mine.py
        dexsy-bench run quick -m mine --include mine.py
    """
    from dexsy_bench.registry import Registry
    from dexsy_bench.scaffold import write_template

    path = write_template(name, out, Registry().method_names)
    typer.echo(f"{path} is ready; try it with: dexsy-bench check {path}")
