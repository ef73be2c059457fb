"""`dexsy-bench table`: the leaderboard of a results folder."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dexsy_bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from dexsy_bench.tables import Block


class Format(StrEnum):
    """Ways to write a table."""

    terminal = "terminal"
    markdown = "markdown"
    csv = "csv"
    latex = "latex"


Run = Annotated[Path, typer.Argument(help="A results folder, as `dexsy-bench run --out` writes it.")]
Scenarios = Annotated[list[str] | None, typer.Option("--scenario", "-s", help="Only this scenario; may be repeated.")]
Levels = Annotated[list[float] | None, typer.Option("--snr", help="Only this SNR; may be repeated.")]
Cases = Annotated[int | None, typer.Option("--cases", "-n", min=1, help="Only cases 0 to N - 1 of each cell.")]
Layout = Annotated[
    Format | None,
    typer.Option("--format", "-f", help="Default: as the ending of --out says (.md, .csv, .tex), else terminal."),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="A file to write instead of the terminal.")]

SUFFIXES = {".md": Format.markdown, ".csv": Format.csv, ".tex": Format.latex, ".txt": Format.terminal}


def table(
    run: Run,
    metric: Annotated[
        list[str] | None,
        typer.Option("--metric", help="A column to show; may be repeated. Default: kl js w1 topk exchange residual."),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            help="What makes a block: scenario, snr, case, method, options, family, told, tuning, or `all` for one "
            "block; may be repeated. Default: scenario and snr.",
        ),
    ] = None,
    sort: Annotated[
        str | None, typer.Option("--sort", help="A metric shown, `seconds`, `seconds_alone` or `label`. Default: js.")
    ] = None,
    scenario: Scenarios = None,
    snr: Levels = None,
    cases: Cases = None,
    layout: Layout = None,
    out: Out = None,
) -> None:
    """Show means with 95% bootstrap intervals, cases scored, failures and time, a block per scenario and SNR.

    Bold are the best mean and those that paired tests cannot separate from it. Failures are counted
    beside each mean; a mean that lacks cases is marked and never called the best. Below the blocks
    stands a summary over all of them; a method has a mean there only if it has scores in every cell.
    CSV has the numbers in full, one row a block, method and metric.

        dexsy-bench table results/quick
        dexsy-bench table results/core --by scenario --metric js --metric w1 --sort w1
        dexsy-bench table results/core --cases 32 --metric kl --metric coverage_95
        dexsy-bench table results/core --by all --out leaderboard.md
    """
    import pandas as pd

    from dexsy_bench import leaderboard, tables
    from dexsy_bench.store import load_rows

    rows = leaderboard.select(load_rows(run), scenario or (), snr or (), cases=cases)
    metrics = metric or leaderboard.default_metrics(rows)
    columns = [] if by == ["all"] else by or ["scenario", "snr"]
    board = leaderboard.leaderboard(rows, metrics, columns, sort)
    layout = layout_of(layout, out)
    blocks = tables.blocks(board, columns)
    described = board
    if len(blocks) > 1 and layout is not Format.csv:
        summary = leaderboard.leaderboard(rows, metrics, (), sort)
        blocks += tables.blocks(summary, ())
        described = pd.concat([board, summary])
    emit(board, blocks, tables.legend(described), layout, out)


def layout_of(layout: Format | None, out: Path | None) -> Format:
    """The format asked for, else that of the file's ending, else the terminal's."""
    return layout or (SUFFIXES.get(out.suffix.lower(), Format.terminal) if out else Format.terminal)


def emit(data: pd.DataFrame, blocks: list[Block], notes: Sequence[str], layout: Format, out: Path | None) -> None:
    """Show tables, or write them to a file; CSV has the data in full."""
    from dexsy_bench import tables

    if layout is Format.csv:
        _write(data.to_csv(index=False), out)
    elif layout is Format.terminal:
        _print(blocks, notes, out)
    else:
        _write({Format.markdown: tables.markdown, Format.latex: tables.latex}[layout](blocks, notes), out)


def _print(blocks: list[Block], notes: Sequence[str], out: Path | None) -> None:
    """To the terminal in its width; to a pipe or a file as wide as the tables are, so that nothing is cut."""
    import io

    from rich.console import Console

    from dexsy_bench import tables

    console = Console(file=io.StringIO() if out else None)
    if console.is_terminal:
        console.print(tables.terminal(blocks, notes, console.width))
        return
    console.width = max(tables.natural_width(blocks), 80)
    console.print(tables.terminal(blocks, notes))
    if isinstance(console.file, io.StringIO):
        _write(console.file.getvalue(), out)


def _write(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=False)
        return
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from error
    typer.echo(f"wrote {out}", err=True)
