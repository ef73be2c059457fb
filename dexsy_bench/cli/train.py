"""`dexsy-bench train`: train the network of a learned method."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from dexsy_bench.learning.trainer import Report

INTERRUPTED = 130
BUDGET, DATA, DESCENT, MACHINE = "Budget", "Cases", "Descent", "Machine"


def train(
    method: Annotated[
        str, typer.Argument(help="A learned method and the shape of its network, as in 'resunet_xl[size=s]'.")
    ],
    minutes: Annotated[
        float | None,
        typer.Option(min=0.01, help="Train for so long. Default: 60, without --cases.", rich_help_panel=BUDGET),
    ] = None,
    cases: Annotated[
        int | None, typer.Option(min=1, help="Train on so many cases instead.", rich_help_panel=BUDGET)
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            help="Go on: from a folder of runs/ that was interrupted, exactly as if it had not been; or from weights "
            "(NAME.toml, or `shipped`), with a new leg.",
            rich_help_panel=BUDGET,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the training. Default: runs/METHOD.")] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario",
            "-s",
            help="Draw cases from it; may be repeated. Default: the core suite's.",
            rich_help_panel=DATA,
        ),
    ] = None,
    snr: Annotated[
        tuple[float, float], typer.Option(help="SNRs are log-uniform in this range.", rich_help_panel=DATA)
    ] = (10.0, 2000.0),
    data: Annotated[
        Path | None,
        typer.Option(
            help="Train on a folder of cases, as `generate --purpose training` writes it.", rich_help_panel=DATA
        ),
    ] = None,
    noisy: Annotated[
        bool, typer.Option("--use-noisy/--use-clean", help="Signals with or without noise.", rich_help_panel=DATA)
    ] = True,
    batch: Annotated[int, typer.Option(min=2, help="Cases a step.", rich_help_panel=DESCENT)] = 64,
    lr: Annotated[float, typer.Option(min=0, help="Highest learning rate.", rich_help_panel=DESCENT)] = 3e-4,
    betas: Annotated[tuple[float, float], typer.Option(help="Of AdamW.", rich_help_panel=DESCENT)] = (0.9, 0.95),
    weight_decay: Annotated[float, typer.Option(min=0, help="Of AdamW.", rich_help_panel=DESCENT)] = 1e-4,
    warmup: Annotated[
        float, typer.Option(min=0, max=0.99, help="Share of the budget; then a cosine to 0.", rich_help_panel=DESCENT)
    ] = 0.05,
    clip: Annotated[float, typer.Option(min=0, help="Norm of a gradient at most.", rich_help_panel=DESCENT)] = 1.0,
    ema: Annotated[
        float, typer.Option(min=0, max=1, help="Decay of the average of the weights.", rich_help_panel=DESCENT)
    ] = 0.999,
    l1: Annotated[float, typer.Option(min=0, help="Weight of |f - f_hat| in the loss.", rich_help_panel=DESCENT)] = 0.1,
    tv: Annotated[float, typer.Option(min=0, help="Weight of TV(f_hat) in the loss.", rich_help_panel=DESCENT)] = 1e-5,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="auto: a GPU where there is one.", rich_help_panel=MACHINE)
    ] = "auto",
    devices: Annotated[
        int,
        typer.Option(
            min=1, help="GPUs (or processes on a CPU), each with a batch of its own.", rich_help_panel=MACHINE
        ),
    ] = 1,
    precision: Annotated[
        Literal["auto", "32", "bf16", "16"],
        typer.Option(help="auto: bf16 where the hardware computes in it.", rich_help_panel=MACHINE),
    ] = "auto",
    compiled: Annotated[
        bool | None,
        typer.Option("--compile/--no-compile", help="torch.compile. Default: on a GPU.", rich_help_panel=MACHINE),
    ] = None,
    validations: Annotated[int, typer.Option(min=1, help="How often to validate, evenly over the budget.")] = 10,
    validation_cases: Annotated[int, typer.Option(min=1, help="Validation cases of each scenario and SNR.")] = 8,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="METHOD", help="Score this method on the validation cases and draw it as the level to beat."
        ),
    ] = None,
    include: Annotated[
        list[Path] | None, typer.Option(help="A method NAME.py, a scenario or a folder of them; may be repeated.")
    ] = None,
) -> None:
    """Train a network on cases that are drawn as they are consumed.

    Cases come from the training stream of the scenarios: never a validation or test case, and no case twice. Ctrl-C
    keeps everything; the same command with --resume goes on. The folder holds the weights with their model card,
    checkpoints, the learning curve, pictures of validation cases, and logs for TensorBoard.

        dexsy-bench train 'resunet_xl[size=s]' --minutes 50 --lr 1e-3 --batch 32    # a small one, on a CPU
        dexsy-bench train resunet_xl --cases 8000000 --against tikhonov              # on a GPU
        dexsy-bench train resunet_xl --resume runs/resunet_xl                        # after an interruption
        dexsy-bench train 'resunet_xl[size=s]' --resume shipped --minutes 50 --out runs/longer
    """
    from rich.console import Console

    from dexsy_bench.learning.request import request

    asked = request(
        method,
        minutes=minutes,
        cases=cases,
        resume=resume,
        out=out,
        scenarios=scenario or [],
        snr=snr,
        data=data,
        noisy=noisy,
        descent={
            "batch": batch, "lr": lr, "betas": betas, "weight_decay": weight_decay, "warmup": warmup, "clip": clip,
            "ema": ema, "l1": l1, "tv": tv,
        },
        machine={"device": device, "devices": devices, "precision": precision, "compiled": compiled},
        validations=validations,
        validation_cases=validation_cases,
        against=against,
        include=include or [],
    )  # fmt: skip
    from dexsy_bench.learning.trainer import leads
    from dexsy_bench.learning.trainer import train as run_training

    console = Console(quiet=not leads())

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    with _Shown(console, asked.label) as shown:
        weights = run_training(asked.plan, asked.folder, shown.update, resume=asked.going_on)
    if shown.last is None:  # of several processes, the first alone reports
        return
    if shown.last.spent < 1:
        say(f"stopped; the same command with --resume {asked.folder.path} goes on")
        raise typer.Exit(INTERRUPTED)
    inner = ",".join(f"{name}={value}" for name, value in [*weights.card.options.items(), ("weights", weights.path)])
    say(f"{weights.card.cases:,} cases seen; weights in {weights.path}")
    say(f"next: dexsy-bench run -m '{asked.plan.method.name}[{inner}]'")


class _Shown:
    """A bar on a terminal, and a line at each validation."""

    def __init__(self, console: Console, label: str) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(None), TaskProgressColumn())
        self.console = console
        self.last: Report | None = None
        self._bar = Progress(*columns, console=console, expand=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(label, total=1.0)
        self._label = label

    def __enter__(self) -> _Shown:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def update(self, report: Report) -> None:
        from dexsy_bench.learning.validation import mean

        self.last = report
        rate = report.cases / report.seconds if report.seconds else 0.0
        state = f"{report.cases:,} cases, {rate:,.0f}/s, loss {report.loss:.3f}"
        if report.skipped:
            state += f", {report.skipped} steps skipped"
        left = report.seconds * (1 / report.spent - 1) if report.spent else 0.0
        self._bar.update(self._task, completed=report.spent, description=f"{state}, {_duration(left)} left")
        if report.validated:
            scores = ", ".join(f"{name} {value:.3f}" for name, value in mean(report.scores).items())
            line = f"{report.spent:4.0%} after {_duration(report.seconds)}: {state}; {scores}"
            self.console.print(line, highlight=False, soft_wrap=True)


def _duration(seconds: float) -> str:
    """`42 s`, `7.5 min` or `3.2 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
