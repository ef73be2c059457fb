"""`dexsy-bench invert`: a measured signal of one's own."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def invert(
    signal: Annotated[
        str,
        typer.Argument(
            help="The measured matrix, a row for each b1: .npy .npz .csv .tsv .txt .mat, FILE:NAME for one variable."
        ),
    ],
    b: Annotated[str, typer.Option(help="File with the values of b1 (and b2), in ms/µm² (1 ms/µm² = 1000 s/mm²).")],
    b2: Annotated[str | None, typer.Option(help="File with the values of b2, where they differ.")] = None,
    method: Annotated[
        str, typer.Option("--method", "-m", help="As in 'tikhonov[order=0]'; see `dexsy-bench list`.")
    ] = "tikhonov",
    d_range: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Lowest and highest D of the grid, µm²/ms. Default: 0.01 10 (T2: 1 1000 ms)."),
    ] = None,
    n: Annotated[int, typer.Option("-n", "--n", min=8, max=256, help="Log-spaced values of D on each axis.")] = 64,
    split: Annotated[
        list[float] | None,
        typer.Option(help="A border between compartments, µm²/ms; may be repeated. Default: valleys of the marginals."),
    ] = None,
    mixing_time: Annotated[float | None, typer.Option(help="In s; gives the exchange rate besides.")] = None,
    parts: Annotated[
        Literal["magnitude", "real"] | None, typer.Option("--complex", help="What to take of a complex signal.")
    ] = None,
    kernel: Annotated[
        Literal["diffusion", "relaxation"],
        typer.Option(help="exp(-b D), or exp(-t / T2): then t in ms takes the place of b, T2 in ms that of D."),
    ] = "diffusion",
    bootstrap: Annotated[
        int | None,
        typer.Option(min=2, help="Invert that many simulated repetitions of the measurement, for 95% intervals."),
    ] = None,
    include: Annotated[
        list[Path] | None, typer.Option(help="A file or folder with methods of your own; may be repeated.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")] = Path("inversion"),
) -> None:
    """Invert a measured signal into a distribution, its peaks and the exchanged fraction.

    The signal is divided by S(0,0). Written to --out: `distribution.npy` (D1 x D2, summing to 1),
    `D_vals.npy`, `peaks.csv`, `summary.json` and a figure, `inversion.png` and `inversion.svg`;
    `samples.npy` (samples x D1 x D2) where the method has an uncertainty or `--bootstrap` gives it one.

        dexsy-bench invert signal.npy --b b_vals.npy
        dexsy-bench invert signal.npy --b b_vals.npy --bootstrap 100
        dexsy-bench invert data.mat:S --b data.mat:b --method 'tikhonov[order=0]' --mixing-time 0.05 --out tissue/
    """
    from dexsy_bench import inversion_files
    from dexsy_bench.api import inverting

    result = inverting.invert(
        signal,
        b,
        b2,
        method=method,
        d_range=d_range,
        n=n,
        split=split or (),
        mixing_time=mixing_time,
        parts=parts,
        kernel=kernel,
        bootstrap=bootstrap,
        include=include or (),
    )
    inversion_files.write(result, out, signal)
    for line in inversion_files.describe(result):
        typer.echo(line)
    typer.echo(f"written to {out}")
