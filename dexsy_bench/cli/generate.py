"""`dexsy-bench generate`: cases of a scenario as files, for programs in any language."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Purpose(StrEnum):
    """Random streams."""

    test = "test"
    validation = "validation"
    training = "training"


def generate(
    scenario: Annotated[str, typer.Argument(help="Name of a scenario; `dexsy-bench list` shows them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write; made where needed.")],
    n: Annotated[int, typer.Option("-n", min=1, help="Number of cases.")] = 16,
    snr: Annotated[float, typer.Option(help="Signal-to-noise ratio at b = 0; `inf` for no noise.")] = 100.0,
    start: Annotated[int, typer.Option(min=0, help="Number of the first case.")] = 0,
    purpose: Annotated[
        Purpose,
        typer.Option(help="Random stream: `test` is what `run` scores; tune on `validation`, train on `training`."),
    ] = Purpose.test,
    force: Annotated[bool, typer.Option("--force", help="Replace the cases that the folder holds.")] = False,
    include: Annotated[
        list[Path] | None, typer.Option(help="A file or folder with scenarios of your own; may be repeated.")
    ] = None,
) -> None:
    """Write cases of a scenario as `f_0.npy`, `S_clean_0.npy`, `S_noisy_0.npy`, ... with the axes beside them.

    A file carries the number of its case. `f` is the truth (D1 x D2, summing to 1), `S_clean` the
    signal (b1 x b2, 1 at b = 0), `S_noisy` the same with Rician noise, divided by its own S(0,0).
    `D_vals.npy` (µm²/ms) and `b_vals.npy` (ms/µm²) hold the axes, `parameters.csv` what was drawn
    for each case, `dataset.json` where it all comes from.

    Invert the signals with any program, save the results as `f_hat_0.npy`, ... and score them:

        dexsy-bench generate two_compartment -n 100 --snr 100 --out data/
        dexsy-bench score predictions/ --data data/ --name mine --out results/mine
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from dexsy_bench import generation
    from dexsy_bench.registry import Registry

    source = Registry(include or ()).scenario(scenario)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"{scenario}, SNR {snr:g}", total=n)
        generation.generate(
            source,
            n,
            snr,
            out,
            purpose=purpose.value,
            start=start,
            force=force,
            progress=lambda cases: progress.advance(task, cases),
        )
    typer.echo(f"{n} {purpose.value} cases of {scenario} at SNR {snr:g} are in {out}")
