"""`dexsy-bench score`: estimates that another program made."""

from pathlib import Path
from typing import Annotated

import typer


def score(
    predictions: Annotated[
        Path, typer.Argument(help="Folder with f_hat_0.npy, ... (or .csv, .tsv, .txt, .mat), numbered as the cases.")
    ],
    data: Annotated[Path, typer.Option(help="The folder of cases, as `dexsy-bench generate` wrote it.")],
    name: Annotated[str, typer.Option(help="What the method is called in the results.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Results folder to add to; made where needed.")],
) -> None:
    """Score estimates of a generated folder, and add them to a results folder as a method of their own.

    Each f_hat is a distribution (D1 x D2) that sums to 1. A missing or unreadable file counts as
    `error`; a wrong shape, negative or non-finite values, or a sum further than 0.001 from 1 as
    `invalid`. Scoring again under the same name replaces the rows.

        dexsy-bench generate two_compartment -n 100 --snr 100 --out data/
        dexsy-bench run -s two_compartment --snr 100 -n 100 -m tikhonov --out results/mine
        dexsy-bench score predictions/ --data data/ --name mine --out results/mine
        dexsy-bench table results/mine
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from dexsy_bench.cli.run import command_line
    from dexsy_bench.folder import Folder
    from dexsy_bench.predictions import score_into, unused
    from dexsy_bench.rows import count_by_status

    folder = Folder.read(data)
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=len(folder.numbers))
        rows = score_into(out, predictions, folder, name, command_line(), lambda cases: progress.advance(task, cases))
    counts = ", ".join(f"{n} {status}" for status, n in count_by_status(rows).items())
    typer.echo(f"{name} on {folder.name}, SNR {folder.snr:g}: {counts}; added to {out}")
    for reason in dict.fromkeys(row["reason"] for row in rows if row["reason"]):
        typer.echo(f"  {reason}")
    if extra := unused(predictions, folder):
        typer.echo(f"  not used, as {data} has no such case: {', '.join(extra)}")
