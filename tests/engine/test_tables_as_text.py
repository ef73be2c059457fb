"""Leaderboards as text: Markdown, LaTeX, terminal, CSV."""

import io
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from boards import METRICS, hand_made, row
from rich.console import Console

from dexsy_bench import tables
from dexsy_bench.leaderboard import leaderboard


@pytest.fixture
def rows():
    return hand_made()


@pytest.fixture
def written(rows):
    board = leaderboard(rows, METRICS)
    return tables.blocks(board, ["scenario", "snr"]), tables.legend(board)


def test_markdown(written):
    text = tables.markdown(*written)
    lines = text.splitlines()
    assert lines[0] == "### two · SNR 100 · 4 cases"
    assert lines[2].startswith("| method | js ↓ | topk ↑ | residual →1 | cases | failures | time |")
    good = next(line for line in lines if line.startswith("| `good` |"))
    assert good.startswith("| `good` | **0.25 ±0.10** |")
    assert "| 4/4 |" in good
    assert "| 500 ms | 2.0 s | default |" in good
    lucky = next(line for line in lines if line.startswith("| `lucky` |"))
    assert "±0.01†" in lucky
    assert "| 3/4 | 1 timeout |" in lucky
    broken = next(line for line in lines if line.startswith("| `broken` |"))
    assert "| –† |" in broken
    assert "| 0/4 | 1 error, 1 oom, 1 invalid, 1 unsupported | – |" in broken
    assert lines.index(next(x for x in lines if x.startswith("| `known` *(reference)* |"))) > lines.index(broken)
    assert all(line.count("|") == lines[2].count("|") for line in lines if line.startswith("|"))
    assert "†: not all cases were scored" in text
    assert "js: Jensen-Shannon divergence [nats]" in text


def test_latex_is_escaped(rows):
    board = leaderboard(rows.assign(scenario="two_compartment"), METRICS)
    text = tables.latex(tables.blocks(board, ["scenario", "snr"]), tables.legend(board))
    assert r"two\_compartment $\cdot$ SNR 100" in text
    assert r"good{[}order=0{]} & " in text
    assert r"\textbf{0.25 $\pm$0.10}" in text
    assert r"\textbf{0.35 $\pm$0.10}" in text  # four cases cannot tell it from the best
    assert r"95\% bootstrap" in text
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 1
    assert text.isascii()
    rule = text.index(r"\midrule", text.index("good{[}"))
    assert rule < text.index("known & ")


def test_escape_latex_leaves_no_special_character():
    assert tables.escape_latex(r"a_b & 5% #1 $x$ {y} ~ ^ \z") == (
        r"a\_b \& 5\% \#1 \$x\$ \{y\} \textasciitilde{} \textasciicircum{} \textbackslash{}z"
    )


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(written, tmp_path):
    (tmp_path / "table.tex").write_text(tables.latex(*written), encoding="utf-8")
    (tmp_path / "main.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}\input{table}\end{document}"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "main"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-2000:]


def printed(written, width):
    console = Console(file=io.StringIO(), width=width or 250)
    console.print(tables.terminal(*written, width))
    return console.file.getvalue()


def test_terminal_shows_every_number(written):
    text = printed(written, None)
    for cell in (c.text for block in written[0] for line in (*block.lines, *block.references) for c in line):
        assert cell in text
    assert tables.natural_width(written[0]) <= 250


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_a_narrow_terminal_cuts_no_number_and_says_what_is_left_out(written, width):
    text = printed(written, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "good[order=0]" in text
    for value in ("0.25", "±0.10", "4/4"):
        assert value in text
    header = text.partition("─")[0]
    assert ("Too narrow here for time alone, tuning" in text) == ("tuning" not in header)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1e-6, "1.0 µs"), (9.8e-3, "9.8 ms"), (0.0996, "100 ms"), (0.9999, "1.0 s"), (13.8, "14 s"), (90, "1.5 min"),
     (7200, "2.0 h")],
)  # fmt: skip
def test_times_read_well(seconds, text):
    frame = pd.DataFrame([row("m", i, 0.1, seconds=seconds) for i in range(2)])
    block = tables.blocks(leaderboard(frame, ["js"]), ["scenario", "snr"])[0]
    assert block.lines[0][block.header.index("time")].text == text


def test_csv_round_trip(rows):
    board = leaderboard(rows, METRICS)
    back = pd.read_csv(io.StringIO(board.to_csv(index=False)), keep_default_na=False, na_values=[""])
    for column in ("mean", "low", "high", "seconds"):
        np.testing.assert_array_equal(back[column], board[column])
    assert list(back["label"]) == list(board["label"])
    assert list(back["best"]) == list(board["best"])
    assert list(back.columns) == list(board.columns)
