"""`dexsy-bench merge`: results folders of several machines in one."""

from pathlib import Path
from typing import Annotated

import typer


def merge(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Results folders; they stay as they are.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A new or empty folder for all of it.")],
    add: Annotated[bool, typer.Option("--add", help="--out holds results already: add the others to them.")] = False,
) -> None:
    """Join results folders, as of a benchmark that was shared out over several machines.

    All of it is merged or nothing: rows are verified by checksum, estimates by length, and a scenario with another
    definition, a cell that another version computed, or a case with another result is refused, with the reason. Of
    results that differ in times alone the first folder's count. The merged folder can be gone on with as any other.

        dexsy-bench run core -m nnls --out a                        # on one machine
        dexsy-bench run core -m tikhonov -m prior_mean --out b      # on another
        dexsy-bench merge a b --out results/core
        dexsy-bench merge c --out results/core --add
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from dexsy_bench import merging

    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TextColumn("shards"))
    console = Console()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        merged = merging.merge(
            runs, out, add=add, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )
    typer.echo(f"{out}: {merged.cases:,} rows in {merged.shards:,} shards")
    if merged.identical:
        typer.echo(f"  {merged.identical:,} shards were in several of them, and are taken once")
    if merged.aside:
        typer.echo(
            f"  {merged.aside:,} shards with the same results, but other times or fewer cases, are in {out}/superseded"
        )
    typer.echo(f"next: dexsy-bench table {out}")
