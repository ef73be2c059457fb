"""`dexsy-bench tune`: hyper-parameters from validation draws."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dexsy_bench.registry import Selection
    from dexsy_bench.tuning import Entry

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
    import multiprocessing
    import os
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool

    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn, TimeRemainingColumn

    from dexsy_bench.errors import UserError
    from dexsy_bench.machine import cores, worker_environment
    from dexsy_bench.registry import Registry
    from dexsy_bench.tuning import with_tuned, write
    from dexsy_bench.worker import Setup, settle

    for level in snr or ():
        if not level > 0:
            raise UserError(f"--snr {level:g}: must be positive; inf means no noise")
    registry = Registry(include or ())
    selection = with_tuned(registry.select(method), registry)
    cells = [(name, level) for name in scenarios for level in snr or registry.scenario(name).snr]
    path = out / f"{selection.name}.toml"
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}") from error
    console = Console()
    setup = Setup(parent=os.getpid(), log=Path(os.devnull))
    columns = (SpinnerColumn(), *Progress.get_default_columns()[:-1], TimeElapsedColumn(), TimeRemainingColumn())
    with (
        worker_environment(),
        ProcessPoolExecutor(jobs or cores(), multiprocessing.get_context("spawn"), settle, (setup,)) as pool,
        Progress(*columns, console=console) as progress,
    ):
        bar = progress.add_task(selection.label, total=len(cells))
        pending = [
            pool.submit(_tune_cell, selection, tuple(include or ()), name, level, cases, budget, metric)
            for name, level in cells
        ]
        try:
            for finished in as_completed(pending):
                entry = finished.result()
                try:
                    write(path, [entry])
                except OSError as error:
                    raise UserError(f"cannot write {path}: {error.strerror or error}") from error
                values = ", ".join(f"{option} = {value:.3g}" for option, value in entry.values.items())
                edge = "; at the end of its range" if entry.at_edge else ""
                score = f"{metric} {entry.score:.4g} on {cases} cases, {entry.evaluations} values tried{edge}"
                console.print(f"{entry.scenario}, SNR {entry.snr:g}: {values} ({score})", highlight=False)
                progress.advance(bar)
        except BaseException as error:
            for worker in multiprocessing.active_children():  # else the pool would wait for what they are at
                worker.kill()
            if isinstance(error, KeyboardInterrupt):
                console.print(f"stopped; what was tuned by then is in {path}", highlight=False)
                raise typer.Exit(INTERRUPTED) from None
            if isinstance(error, BrokenProcessPool):
                raise UserError(f"a process that tuned {selection.label} died; was there enough memory?") from error
            raise
    console.print(f"stored in {path}", highlight=False)


def _tune_cell(
    selection: Selection, include: tuple[Path, ...], scenario: str, snr: float, cases: int, budget: int, metric: str
) -> Entry:
    """One cell, in a process of its own."""
    from dexsy_bench import tuning
    from dexsy_bench.registry import Registry

    registry = Registry(include)
    return tuning.tune(selection, registry, registry.scenario(scenario), snr, cases=cases, budget=budget, metric=metric)
