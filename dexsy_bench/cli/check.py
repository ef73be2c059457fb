"""`dexsy-bench check`: a method against the contract."""

from pathlib import Path
from typing import Annotated

import typer


def check(
    method: Annotated[
        str, typer.Argument(metavar="NAME_OR_FILE", help="A method, as in 'tikhonov[order=0]', or the file of one.")
    ],
    include: Annotated[
        list[Path] | None, typer.Option(help="A file or folder with methods of your own; may be repeated.")
    ] = None,
) -> None:
    """Try a method against what every method must satisfy; exit status 1 if it fails anywhere.

    Shapes, mass, signs, determinism, independence of the batch, other grids, odd signals, masks: each
    failure says how to mend it. Without options in brackets every default variant is tried.

        dexsy-bench check mine.py
        dexsy-bench check 'tikhonov[order=0]'
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text
    from threadpoolctl import threadpool_limits

    from dexsy_bench import contract
    from dexsy_bench.trial import wanted

    console = Console()
    failures = 0
    registry, texts = wanted(method, include or ())
    for text in texts:
        with console.status(Text(f"{text} ...")) as status, threadpool_limits(1):
            results = contract.check(registry, text, lambda r: status.update(f"{r.name} ..."))
        table = Table(title=Text(text), title_justify="left", show_header=False, box=None, padding=(0, 1))
        for result in results:
            mark = {True: "[green]ok[/]", False: "[bold red]FAIL[/]", None: "[dim]-[/]"}[result.ok]
            table.add_row(mark, result.name, Text(result.detail + (f"\n→ {result.mend}" if result.mend else "")))
        console.print(table)
        failures += sum(result.ok is False for result in results)
    if failures:
        console.print(f"{failures} failed", style="bold red")
        raise typer.Exit(1)
    console.print("all passed", style="green")
