"""`dexsy-bench limits`: what an acquisition can know at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console
    from rich.table import Table


def limits(
    scenario: Annotated[str, typer.Argument(help="Name of a scenario; `dexsy-bench list` shows them.")],
    snr: Annotated[
        list[float] | None, typer.Option(help="May be repeated. Default: 10, 30, 100, 300, 1000 and 3000.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="Specimens drawn from the scenario.")] = 128,
    precision: Annotated[
        float, typer.Option(help="Also say at which SNR each bound falls to this, in the unit of the quantity.")
    ] = 0.05,
    ranges_known: Annotated[
        bool,
        typer.Option(
            "--ranges-known",
            help="Of estimates that know how each parameter is spread in the scenario, as reference methods do.",
        ),
    ] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the CSV file and the figure.")] = Path("limits"),
    include: Annotated[
        list[Path] | None, typer.Option(help="A file or folder with scenarios of your own; may be repeated.")
    ] = None,
) -> None:
    """Show how well any method could know positions, fractions and exchange, before anyone scans.

    The Cramer-Rao bound: no unbiased estimate has a smaller SD, even one that knows the number of compartments, that
    each is a Gaussian in log D, and the noise. It depends on the specimen, so the table has its median over specimens
    drawn from the scenario and, below it, where 80 % of them lie. Where a bound exceeds the SD that the quantity has in
    the scenario to begin with (`before`), the signal says next to nothing about it. An estimate that knows the ranges
    of the scenario, as of widths, can do better where they are narrow: `--ranges-known`.

    To try an acquisition of your own, write it in a scenario file. Written to --out: `limits-SCENARIO.csv`, `.png`
    and `.svg`.

        dexsy-bench limits two_compartment
        dexsy-bench limits three_compartment --precision 0.1 --snr 50 --snr 500 --snr 5000
        dexsy-bench limits mine --include mine.toml --out planning/
    """
    import math

    from dexsy_bench.errors import UserError
    from dexsy_bench.inference.limits import LEVELS, checked_levels
    from dexsy_bench.inference.limits import limits as limits_of
    from dexsy_bench.registry import Registry

    levels = checked_levels(snr or LEVELS)
    if not 0 < precision < math.inf:
        raise UserError(f"--precision {precision:g}: must be positive")
    chosen = Registry(include or ()).scenario(scenario)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}") from error
    from rich.console import Console
    from rich.progress import Progress
    from threadpoolctl import threadpool_limits

    from dexsy_bench.plots.limits import limits as figure_of
    from dexsy_bench.plots.style import save

    given = " with ranges known" if ranges_known else ""
    console = Console()
    with (
        threadpool_limits(1),
        Progress(console=console, transient=True, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task(scenario, total=n)
        table = limits_of(chosen, levels, n, ranges_known, lambda cases: progress.advance(task, cases))
    _print(table, f"{chosen.title}: least SD{given}, median and 10-90 % of {n} specimens", precision, console)
    path = out / f"limits-{chosen.name}.csv"
    try:
        table.to_csv(path, index=False)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    figure = figure_of(table, f"{chosen.title}: least SD of an estimate{given or ' without bias'}", precision)
    for written in (path, *save(figure, out, f"limits-{chosen.name}")):
        typer.echo(f"wrote {written}")


def _print(table: pd.DataFrame, title: str, precision: float, console: Console) -> None:
    """In the width of a terminal, without the bands where that is too narrow; to a pipe as wide as it takes."""
    shown = _table(table, title, precision, bands=True)
    needed = console.measure(shown, options=console.options.update(width=1000)).maximum
    if not console.is_terminal:
        console.width = max(console.width, needed)
    elif needed > console.width:
        shown = _table(table, title, precision, bands=False)
    console.print(shown)


def _table(table: pd.DataFrame, title: str, precision: float, bands: bool) -> Table:
    """A line a quantity, a column an SNR."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from dexsy_bench.inference.limits import snr_for

    shown = Table(title=Text(title, "bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("", min_width=12, overflow="fold")
    for heading in ("before", *(f"SNR {level:g}" for level in table["snr"].unique()), f"{precision:g} at SNR"):
        shown.add_column(heading, justify="right", no_wrap=bands, min_width=4)
    for (what, of, unit), part in table.groupby(["quantity", "of", "unit"], sort=False):
        name = f"{what}, {of}" if of else str(what)
        prior = part["prior_sd"].iloc[0]
        cells = []
        for low, median, high in part[["low", "median", "high"]].to_numpy():
            cells.append(Text(_short(median), "dim" if median > prior else ""))
            if bands:
                cells[-1].append(f"\n{_short(low)}-{_short(high)}", "dim")
        wanted = snr_for(precision, part["snr"].to_numpy(), part["median"].to_numpy())
        sign = "~" if wanted > part["snr"].max() else "≤ " if wanted == part["snr"].min() else ""
        shown.add_row(f"{name} ({unit})" if unit else name, _short(prior), *cells, sign + _short(wanted))
    return shown


def _short(value: float) -> str:
    """Two digits that count."""
    return f"{float(f'{value:.2g}'):g}"
