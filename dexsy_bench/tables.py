"""A leaderboard as text: blocks of cells that the terminal, Markdown and LaTeX writers lay out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dexsy_bench.bounds import METRIC
from dexsy_bench.leaderboard import FAILURES
from dexsy_bench.metrics import METRICS
from dexsy_bench.statistics import LEVEL, RESAMPLES

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class Cell:
    """Text, bold where it is the best or tied with it."""

    text: str
    bold: bool = False


@dataclass(frozen=True)
class Block:
    """One table: a title, a header, and lines of cells; references follow the others."""

    title: str
    header: tuple[str, ...]
    lines: tuple[tuple[Cell, ...], ...]
    references: tuple[tuple[Cell, ...], ...]


def blocks(board: pd.DataFrame, by: Sequence[str]) -> list[Block]:
    """Lay a leaderboard out, one block for each combination of the columns `by` it was made with."""
    groups = board.groupby(list(by), sort=False, dropna=False) if by else [((), board)]
    return [_block(_title(dict(zip(by, key, strict=True)), group), group) for key, group in groups]


def _title(key: dict[str, Any], group: pd.DataFrame) -> str:
    parts = [name_of(column, value) for column, value in key.items()]
    cells, asked = group["cells"].iloc[0], group["asked"].iloc[0]
    count = f"{asked} case{'s' if asked != 1 else ''}"
    if cells > 1:
        count = f"mean over {cells} cells, {count}"
    return " · ".join([*(parts or ["All"]), count])


def name_of(column: str, value: Any) -> str:
    """A block's column and its value as a title has them."""
    if column == "snr":
        return "SNR unknown" if math.isnan(value) else f"SNR {value:g}"
    return str(value) if column == "scenario" else f"{column} {value if value != '' else '(none)'}"


def _block(title: str, group: pd.DataFrame) -> Block:
    metrics = list(dict.fromkeys(group["metric"]))
    decimals = {name: decimals_for(group[group["metric"] == name]) for name in metrics}
    lines: dict[bool, list[list[Cell]]] = {False: [], True: []}
    for _, rows in group.groupby("label", sort=False):
        first = rows.iloc[0]
        scores = [_score(row, decimals[row.metric]) for row in rows.itertuples()]
        failures = ", ".join(f"{first[name]} {name}" for name in FAILURES if first[name])
        about = [f"{first['ok']}/{first['asked']}", failures, *(_time(first[c]) for c in ("seconds", "seconds_alone"))]
        share = "–" if math.isnan(first["share"]) else f"{first['share']:.0%}"
        texts = [Cell(str(text)) for text in (share, *about, first["tuning"], first["told"])]
        lines[first["family"] == "reference"].append([Cell(first["label"]), *scores, *texts])
    header = ["method", *(f"{name} {METRICS[name].arrow}" for name in metrics)]
    header += ["to limit", "cases", "failures", "time", "time alone", "tuning", "told"]
    optional = ("to limit", "failures", "time alone", "tuning", "told")
    used = [
        i
        for i, name in enumerate(header)
        if name not in optional or any(line[i].text not in ("", "–") for side in lines.values() for line in side)
    ]

    def kept(side: list[list[Cell]]) -> tuple[tuple[Cell, ...], ...]:
        return tuple(tuple(line[i] for i in used) for line in side)

    return Block(title, tuple(header[i] for i in used), kept(lines[False]), kept(lines[True]))


def _score(row: Any, decimals: int) -> Cell:
    """`0.082 ±0.004`, with a dagger where cases are missing and a count where the metric is undefined."""
    if row.scorable == 0:
        return Cell("–")
    if row.scored == 0:
        return Cell("–†")
    if math.isnan(row.mean):
        return Cell(f"{row.scored_cells}/{row.scorable_cells} cells†")
    text = mean_and_interval(row, decimals)
    text += "" if row.complete else "†"
    text += f" ({row.scored})" if row.scored != row.ok else ""
    return Cell(text, bold=bool(row.tied_best))


def mean_and_interval(row: Any, decimals: int) -> str:
    """`0.082 ±0.004`: `mean`, and the farther of `low` and `high`; – without a mean."""
    if math.isnan(row.mean):
        return "–"
    text = f"{row.mean:.{decimals}f}"
    return text if math.isnan(row.low) else f"{text} ±{max(row.mean - row.low, row.high - row.mean):.{decimals}f}"


def decimals_for(rows: pd.DataFrame) -> int:
    """As many as give the typical half-width two significant digits; the same for a whole column."""
    mean, low, high = rows[["mean", "low", "high"]].to_numpy(dtype=float).T
    sizes = np.abs(mean) / 10 if np.isnan(low).all() else np.maximum(mean - low, high - mean)
    sizes = sizes[np.isfinite(sizes) & (sizes > 1e-12)]
    scale = float(np.median(sizes)) if sizes.size else np.nan
    return 3 if not np.isfinite(scale) else int(np.clip(1 - math.floor(math.log10(scale)), 0, 6))


def _time(seconds: float) -> str:
    """Two significant digits, in µs, ms, s, min or h."""
    if math.isnan(seconds):
        return "–"
    for unit, size in (("h", 3600.0), ("min", 60.0), ("s", 1.0), ("ms", 1e-3)):
        if seconds >= size * 0.995:
            return _two_digits(seconds / size, unit)
    return _two_digits(seconds / 1e-6, "µs")


def _two_digits(value: float, unit: str) -> str:
    return f"{value:.0f} {unit}" if value >= 9.95 else f"{value:.1f} {unit}"


def legend(board: pd.DataFrame) -> list[str]:
    """What the numbers mean, in sentences: only those that this leaderboard needs."""
    metrics = [METRICS[name] for name in dict.fromkeys(board["metric"])]
    units = "; ".join(f"{m.name}: {m.title}" + (f" [{m.unit}]" if m.unit else "") for m in metrics)
    lines = [
        f"Mean ± the farther end of its {LEVEL:.0%} bootstrap interval (BCa, {RESAMPLES:,} resamples of the "
        "specimens). ↓ lower is better, ↑ higher is better, →1 closer to 1. Bold: rank 1 among methods that scored "
        "every case, the best mean and those that paired tests do not separate from it or from each other "
        f"(family-wise error {1 - LEVEL:.0%}; see `dexsy-bench ranks`).",
        f"{units}.",
        "cases: scored / asked; missing: not computed, as beyond the cases that a suite gives to slow methods.",
        "time: median per inversion, in a batch; time alone: one case on its own.",
        "tuning: how the hyper-parameters were chosen. told: what a method knows beyond signal and acquisition.",
    ]
    lines += [
        f"{m.name}: best is the least mean distance of single cases from {m.target:g}, not the mean nearest to it."
        for m in metrics
        if m.pairs and m.target is not None
    ]
    if board["share"].notna().any():
        lines.append(
            f"to limit: share of the way in mean {METRIC} from the reference that sees no signal (0%) to the one that "
            "no method can pass in expectation (100%); over the cases that all three were scored on."
        )
    if (board["family"] == "reference").any():
        lines.append("Below the rule: reference methods, which know more than an experimenter; never marked best.")
    if (board["cells"] > 1).any():
        lines.append("A mean over cells (scenario x SNR) gives each cell the same weight.")
    if (~board["complete"] & (board["scorable"] > 0)).any():
        lines.append(
            "†: not all cases were scored; the mean, over those that were, compares with no other. "
            "a/b cells: scored in a of b cells only, so no mean is formed."
        )
    if (board["scorable"] < board["asked"]).any() or (board["scored"] != board["ok"]).any():
        lines.append("(n): scored on n cases, the metric being undefined on the others; –: undefined or none scored.")
    return lines


# Writers -------------------------------------------------------------------------------------


def markdown(tables: Sequence[Block], notes: Sequence[str]) -> str:
    """GitHub-flavoured Markdown."""
    parts = []
    for table in tables:
        lines = [f"### {table.title}", "", _row(table.header), _row(["---", *["---:"] * (len(table.header) - 1)])]
        for reference, side in ((False, table.lines), (True, table.references)):
            for name, *cells in side:
                label = f"`{name.text}`" + (" *(reference)*" if reference else "")
                lines.append(_row([label, *(f"**{c.text}**" if c.bold else c.text for c in cells)]))
        parts.append("\n".join(lines))
    notes = [note.replace("Below the rule", "(reference)") for note in notes]
    return "\n\n".join([*parts, *notes]) + "\n"


def _row(texts: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


_LATEX = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "[": "{[}", "]": "{]}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
    "±": r"$\pm$", "↓": r"$\downarrow$", "↑": r"$\uparrow$", "→": r"$\rightarrow$", "†": r"$^\dagger$",
    "–": "--", "µ": r"$\mu$", "²": r"$^2$", "·": r"$\cdot$", "×": r"$\times$", "∞": r"$\infty$",
}  # fmt: skip


def escape_latex(text: str) -> str:
    r"""Text safe in a LaTeX table; brackets too, since ``\\ [`` would start an optional argument."""
    return "".join(_LATEX.get(character, character) for character in text)


def latex(tables: Sequence[Block], notes: Sequence[str]) -> str:
    r"""One booktabs ``table`` a block, to be input in a document with ``\usepackage{booktabs}``."""
    parts = [r"% needs \usepackage{booktabs} and \usepackage{graphicx}"]
    for table in tables:
        body = [_latex_line(map(Cell, table.header)), r"\midrule", *map(_latex_line, table.lines)]
        if table.references:
            body += [*([r"\midrule"] if table.lines else []), *map(_latex_line, table.references)]
        parts += [
            r"\begin{table}[htbp]", r"\centering", rf"\caption{{{escape_latex(table.title)}.}}",
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}", r"\toprule", *body, r"\bottomrule",
            r"\end{tabular}}", r"\end{table}", "",
        ]  # fmt: skip
    small = [r"\begin{footnotesize}", *(escape_latex(note) + r"\par" for note in notes), r"\end{footnotesize}"]
    return "\n".join([*parts, *small]) + "\n"


def _latex_line(cells: Any) -> str:
    texts = [rf"\textbf{{{escape_latex(c.text)}}}" if c.bold else escape_latex(c.text) for c in cells]
    return " & ".join(texts) + r" \\"


def terminal(tables: Sequence[Block], notes: Sequence[str], width: int | None = None) -> RenderableType:
    """Rich tables; in less than their natural width, numbers take two lines and columns are left out.

    Parameters
    ----------
    tables, notes
        As from :func:`blocks` and :func:`legend`.
    width : int, optional
        Characters a line; None: as many as it takes.
    """
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[RenderableType] = []
    all_dropped: list[str] = []
    for block in tables:
        shown, widths, dropped = _fitted(block, width)
        all_dropped += dropped
        table = Table(title=Text(shown.title, "bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for i, name in enumerate(shown.header):
            table.add_column(Text(name), justify="right" if i else "left", width=widths[i], overflow="fold")
        for line in shown.lines:
            table.add_row(*(Text(c.text, "bold green" if c.bold else "") for c in line))
        if shown.references:
            table.add_section()
        for line in shown.references:
            table.add_row(*(Text(c.text, "dim") for c in line))
        parts.append(table)
    if all_dropped:
        names = ", ".join(dict.fromkeys(name.split(" →")[0].rstrip(" ↓↑") for name in all_dropped))
        notes = [*notes, f"Too narrow here for {names}; --format markdown or csv has all columns."]
    return Group(*parts, *(Text(note, "dim") for note in notes))


def natural_width(tables: Sequence[Block]) -> int:
    """Characters that the widest of the tables takes in a terminal."""
    return max((_total(_widths(block)[0]) for block in tables), default=0)


def _fitted(block: Block, width: int | None) -> tuple[Block, list[int], list[str]]:
    """The block with as many columns as fit, their widths, and the names of those left out."""
    full, least = _widths(block)
    if width is None or _total(full) <= width:
        return block, full, []
    dropped: list[str] = []
    scores = block.header[2 : block.header.index("cases")] if "cases" in block.header else ()  # the first one stays
    for name in ("time alone", "tuning", "told", "time", "not ranked", *reversed(scores)):
        if name in block.header and _total(least) > width:
            block = _without(block, block.header.index(name))
            full, least = _widths(block)
            dropped.append(name)
    spare = width - _total(least)
    for i, wanted in enumerate(full):
        if wanted - least[i] <= spare:
            spare -= wanted - least[i]
            least[i] = wanted
    return block, least, dropped


def _without(block: Block, column: int) -> Block:
    def cut(line: tuple[Any, ...]) -> tuple[Any, ...]:
        return line[:column] + line[column + 1 :]

    return Block(block.title, cut(block.header), tuple(map(cut, block.lines)), tuple(map(cut, block.references)))


def _widths(block: Block) -> tuple[list[int], list[int]]:
    """Of each column on single lines, and broken at spaces."""
    lines = [*block.lines, *block.references]
    columns = [[name, *(line[i].text for line in lines)] for i, name in enumerate(block.header)]
    full = [max(map(len, column)) for column in columns]
    least = [max(len(word) for text in column for word in text.split() or [""]) for column in columns]
    return full, least


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + 3 * len(widths) - 1  # a space on both sides, and a line between, as SIMPLE_HEAD has it
