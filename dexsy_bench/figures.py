"""Which figures a results folder has, and what draws each: `dexsy-bench plot` and :func:`dexsy_bench.plot` share it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dexsy_bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from dexsy_bench.plots import Look, Mark

    Marks = dict[str, Mark]
    Maker = tuple[str, Callable[[], Figure]]
    """Name of a figure, and what draws it."""

KINDS = {
    "gallery": "signal, truth and every method's estimate of a case, with the peaks",
    "snr": "mean and interval against SNR",
    "pareto": "accuracy against time, with the Pareto front",
    "errors": "the spread over cases, method by method",
    "stress": "scenario by scenario, where each method fails and whether its signal residual reveals it",
    "ranks": "critical-difference diagram: means, tied ranks, and which methods no test separates",
    "confusion": "true against found number of peaks",
    "calibration": "nominal against empirical coverage, of methods with posterior samples",
    "exchange": "recovered against true exchanged fraction, with bias and limits of agreement",
}
RENAMED = {"time": "pareto", "distribution": "errors"}
CROWDED = ("gallery", "snr", "pareto", "errors", "confusion", "exchange")
"""Figures that more than a dozen methods do not fit."""


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise UserError unless all of these are KINDS, with what was meant."""
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(_unknown(kind))


def figures(
    run: Path,
    kinds: Sequence[str] = (),
    *,
    metric: str,
    look: Look,
    scenarios: Sequence[str] = (),
    snr: Sequence[float] = (),
    cases: int | None = None,
    methods: Sequence[str] = (),
    top: int | None = None,
    beside: Sequence[Path] = (),
    shown_cases: Sequence[int] = (),
    limit: float = 60.0,
    include: Sequence[Path] = (),
    skipped: Callable[[str, str], None] = lambda name, reason: None,
) -> Iterator[tuple[str, Figure]]:
    """Draw the figures of a results folder, one after the other.

    Parameters
    ----------
    run : Path
    kinds : sequence of str
        Of KINDS; all if none is named, save those that cannot be drawn of this run.
    metric : str
        What the figures show.
    look : Look
        Style and width.
    scenarios, snr, cases, methods
        A selection of the rows.
    top : int, optional
        Name only so many methods, the best, and the references; 8 of more than 12 where a figure would be crowded.
    beside : sequence of Path
        Results folders whose rows are added, save in the gallery.
    shown_cases : sequence of int
        Cases of the gallery; the one of median difficulty if none is named.
    limit : float
        Gallery: methods that took more seconds for a case are left out.
    include : sequence of Path
        Methods of your own, for the gallery.
    skipped : callable
        Told the name of a figure, or kind, that cannot be drawn, and why; it costs no other.

    Yields
    ------
    name, figure
        The name is that of a file, without the ending.

    Raises
    ------
    UserError
        At the end, if a kind that was named cannot be drawn, or none can.
    """
    check_kinds(kinds)
    if top is not None and top < 1:
        raise UserError(f"--top {top}: at least one method is needed")
    from dexsy_bench import leaderboard, plots
    from dexsy_bench.joining import join_rows
    from dexsy_bench.store import load_rows

    own = leaderboard.with_labels(load_rows(run))
    every_row = join_rows(run, own, beside)
    rows = leaderboard.select(every_row, scenarios, snr, methods, cases)
    leaderboard.check_metrics(rows, [metric])
    baseline = set(rows["scenario"]) - set(own["scenario"])
    leading = plots.leading(rows, metric, top) if top or not methods else None
    # From all rows: a selection changes no colour, but where two that it names would share one.
    of = plots.told_apart(plots.marks(every_row), leading or set(rows["label"]))
    refused: dict[str, str] = {}
    for kind in dict.fromkeys(kinds or KINDS):
        shown = leading if top or kind in CROWDED else None
        makers = (
            _gallery(run, rows[rows.index.isin(own.index)], metric, of, look, shown, shown_cases, limit, include)
            if kind == "gallery"
            else _plain(kind, rows, metric, of, look, shown, baseline)
        )
        drawn, reasons = 0, dict[str, str]()
        for name, draw in makers:
            try:
                figure = draw()
            except UserError as error:
                reasons[name] = str(error)
                continue
            drawn += 1
            yield name, figure
        if not drawn:
            refused[kind] = "; ".join(dict.fromkeys(reasons.values())) or "none of its scenarios is in these rows"
        else:
            for name, reason in reasons.items():
                skipped(name, reason)
    if refused and (kinds or len(refused) == len(KINDS)):
        raise UserError("; ".join(f"{kind} cannot be drawn: {reason}" for kind, reason in refused.items()))
    for kind, reason in refused.items():
        skipped(kind, reason)


def _unknown(name: str) -> str:
    if name in RENAMED:
        return f"the figure '{name}' is now called '{RENAMED[name]}': dexsy-bench plot RUN {RENAMED[name]}"
    from difflib import get_close_matches

    close = get_close_matches(name, KINDS, n=1)
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    return f"no figure '{name}'{hint}; there are: " + "; ".join(f"{key}: {text}" for key, text in KINDS.items())


def _plain(
    kind: str,
    rows: pd.DataFrame,
    metric: str,
    of: Marks,
    look: Look,
    shown: Sequence[str] | None,
    baseline: Collection[str],
) -> Iterator[Maker]:
    """The figures of a kind that rows alone make: one of all rows, or one a scenario (and SNR)."""
    from dexsy_bench import plots

    if kind == "stress":
        yield f"stress-{metric}", partial(plots.stress, rows, metric, of, look, shown, baseline)
        return
    draw = getattr(plots, kind)
    stem = kind if kind in ("confusion", "calibration", "exchange") else f"{kind}-{metric}"
    by = {"pareto": ["scenario"], "errors": ["scenario"], "calibration": ["scenario"], "exchange": ["scenario", "snr"]}
    if kind not in by:
        yield stem, partial(draw, rows, metric, of, look, shown)
        return
    for cell, part in rows.groupby(by[kind], dropna=False):
        name = "-".join([stem, str(cell[0]), *(f"snr{level:g}" for level in cell[1:])])
        yield name, partial(draw, part, metric, of, look, shown)


def _gallery(
    run: Path,
    rows: pd.DataFrame,
    metric: str,
    of: Marks,
    look: Look,
    shown: Sequence[str] | None,
    cases: Sequence[int],
    limit: float,
    include: Sequence[Path],
) -> Iterator[Maker]:
    """A figure a scenario and case, with a line of panels for each SNR."""
    from rich.console import Console
    from rich.progress import track
    from threadpoolctl import threadpool_limits

    from dexsy_bench import plots
    from dexsy_bench.plots import examples, selection
    from dexsy_bench.plots.style import order
    from dexsy_bench.registry import Registry
    from dexsy_bench.store import load_manifest

    registry = Registry(include)
    manifest = load_manifest(run) if (run / "manifest.json").exists() else {}
    console = Console(stderr=True)

    def draw(part: pd.DataFrame, scenario: str, case: int) -> Figure:
        source, data = examples.source_of_rows(manifest, scenario, registry)
        levels = track(
            sorted(part["snr"].unique()),
            f"{scenario}, case {case}",
            console=console,
            disable=not console.is_terminal,
        )
        with threadpool_limits(1):  # as in the workers: small solves on several threads wait for each other
            levels_shown = [
                examples.example(part, source, level, case, registry, run=run, data=data, limit=limit)
                for level in levels
            ]
        return plots.gallery(levels_shown, order(part["label"].unique(), of), metric, look, about)

    about = selection.note(rows, metric, shown)
    for name, part in selection.only(rows, shown).groupby("scenario"):
        for case in cases or [examples.typical_case(part, metric)]:
            yield f"gallery-{name}-case{case}", partial(draw, part, str(name), case)
