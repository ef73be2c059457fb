"""`dexsy-bench tune`: hyper-parameters from validation draws."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

INTERRUPTED = 130


def tune(
    method: Annotated[str, typer.Argument(help="A method, or a variant such as 'tikhonov[order=0]'.")],
    scenarios: Annotated[list[str], typer.Argument(metavar="SCENARIO...", help="One or more scenarios.")],
    snr: Annotated[list[float] | None, typer.Option(help="Only this SNR; may be repeated. Default: all.")] = None,
    cases: Annotated[int, typer.Option("-n", "--cases", min=1, help="Validation cases.")] = 16,
    budget: Annotated[int, typer.Option(min=3, help="Values tried on all cases, the same for every method.")] = 12,
    metric: Annotated[str, typer.Option(help="What to improve; see `list metrics`.")] = "js",
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes. Default: physical cores.")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the tuned values; `run` looks in ./tuned.")] = Path("tuned"),
    include: Annotated[
        list[Path] | None, typer.Option(help="A method NAME.py, a scenario or a folder of them; may be repeated.")
    ] = None,
) -> None:
    """Choose hyper-parameters on validation cases and store them where `run` finds them.

    Validation cases come from a stream of their own: no test case is ever tuned on. The values take the place
    of options that say `tuned`, as in 'tikhonov[alpha=tuned]'; the column `tuning` of a table says which rows
    used them. Values that come with the built-in methods are used where ./tuned has none.

        dexsy-bench tune tikhonov two_compartment             # then: run -m 'tikhonov[alpha=tuned]'
        dexsy-bench tune cvx_tv two_compartment three_compartment --snr 100 -n 8
    """
    from contextlib import closing

    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn, TimeRemainingColumn

    from dexsy_bench.tuning_run import entries, search

    what = search(method, scenarios, snr or (), out, include or ())
    console = Console()
    columns = (SpinnerColumn(), *Progress.get_default_columns()[:-1], TimeElapsedColumn(), TimeRemainingColumn())
    try:
        with (
            Progress(*columns, console=console) as progress,
            closing(entries(what, cases, budget, metric, jobs)) as found,
        ):
            bar = progress.add_task(what.selection.label, total=len(what.cells))
            for entry in found:
                values = ", ".join(f"{option} = {value:.3g}" for option, value in entry.values.items())
                edge = "; at the end of its range" if entry.at_edge else ""
                score = f"{metric} {entry.score:.4g} on {cases} cases, {entry.evaluations} values tried{edge}"
                console.print(f"{entry.scenario}, SNR {entry.snr:g}: {values} ({score})", highlight=False)
                progress.advance(bar)
    except KeyboardInterrupt:
        console.print(f"stopped; what was tuned by then is in {what.path}", highlight=False)
        raise typer.Exit(INTERRUPTED) from None
    console.print(f"stored in {what.path}", highlight=False)
