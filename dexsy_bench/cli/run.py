"""`dexsy-bench run`: methods x scenarios x SNR levels into a results folder."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from dexsy_bench.runner import Summary

INTERRUPTED = 130
INCOMPLETE = 1


def run(
    suite: Annotated[
        str | None, typer.Argument(help="A group of scenarios; see `list suites`. Default: quick.")
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario", "-s", help="Only this scenario; may be repeated. Without SUITE: at all of its SNR levels."
        ),
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            "--method",
            "-m",
            help="Only this method, as in 'tikhonov[order=0]'; may be repeated. Default: the suite's, else every row "
            "of `list methods`.",
        ),
    ] = None,
    snr: Annotated[list[float] | None, typer.Option(help="Only this SNR (inf: no noise); may be repeated.")] = None,
    cases: Annotated[
        int | None,
        typer.Option("-n", "--cases", min=1, help="Cases of each scenario at each SNR. Default: the suite's, else 16."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Results folder. Default: results/SUITE or results/SCENARIO.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Worker processes, one thread each. Default: physical cores.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=1e6, help="Seconds that a job, 16 cases of a method, may take.")
    ] = 600.0,
    memory: Annotated[
        float | None,
        typer.Option(
            min=0.25, max=1e6, help="GiB that a worker may allocate. Default: its share of 80% of the machine."
        ),
    ] = None,
    cache: Annotated[
        Literal["use", "ignore", "only"],
        typer.Option(
            help="use: keep what is finished, failures too. ignore: compute all again. only: compute nothing, name "
            "what is missing."
        ),
    ] = "use",
    keep_estimates: Annotated[
        int,
        typer.Option(
            min=0, metavar="N", help="Store the distributions of the first N cases as well (16 kB each at 64 x 64)."
        ),
    ] = 0,
    include: Annotated[
        list[Path] | None,
        typer.Option(help="A method NAME.py, a scenario NAME.toml or a folder of them; may be repeated."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Take the cases from this folder, as `generate` writes it, not from scenarios.")
    ] = None,
) -> None:
    """Run methods on numbered cases and store a row for each.

    A run that was stopped, even killed, continues when the same command is given again: what is finished
    is not computed again. A method whose source has changed is.

        dexsy-bench run                                       # the quick suite
        dexsy-bench run core -m tikhonov -m 'tikhonov[order=0]' -n 32
        dexsy-bench run -s two_compartment --snr 100 --include my_method.py -m my_method
        dexsy-bench run core --cache ignore -m nnls           # compute nnls again, failures included
    """
    from rich.console import Console

    from dexsy_bench import planning
    from dexsy_bench.machine import cores
    from dexsy_bench.registry import Registry
    from dexsy_bench.runner import Settings

    console = Console()

    def warn(text: str) -> None:
        console.print(text, style="yellow", markup=False, highlight=False, soft_wrap=True)

    asked = planning.request(Registry(include or ()), suite, scenario or [], method or [], snr or [], cases, data, warn)
    settings = Settings(
        workers=jobs or cores(),
        timeout=timeout,
        memory=None if memory is None else int(memory * 2**30),
        cache=cache,
        keep_estimates=keep_estimates,
    )
    folder = out or Path("results") / asked.name
    try:
        summary = asked.carry_out(folder, settings, console, command_line(), warn)
    except KeyboardInterrupt:
        console.print(f"\nstopped; the same command continues {folder}", highlight=False)
        raise typer.Exit(INTERRUPTED) from None
    conclude(summary, folder, console)


def command_line() -> str:
    """The command that this process was started with, for the history of a results folder."""
    return shlex.join(["dexsy-bench", *sys.argv[1:]])


def conclude(summary: Summary, folder: Path, console: Console) -> None:
    """Say what became of the jobs and what to type next."""

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    if summary.missing:
        for name, n in Counter(str(job) for job in summary.missing).items():
            say(f"missing: {name} ({n} jobs)")
        raise typer.Exit(INCOMPLETE)
    from dexsy_bench.rows import STATUSES

    counts = ", ".join(f"{summary.statuses[status]} {status}" for status in STATUSES if summary.statuses[status])
    reused = sum(job.stop - job.start for job in summary.reused)
    parts = [f"computed {counts}" if counts else "", f"{reused} cases were there already" if reused else ""]
    say(f"{folder}: {'; '.join(filter(None, parts))}")
    say(f"next: dexsy-bench table {folder}   or   dexsy-bench plot {folder}")
