"""The way from floor to limit, on made-up tables."""

import pandas as pd
import pytest

from dexsy_bench.bounds import shares
from dexsy_bench.leaderboard import leaderboard, select
from dexsy_bench.tables import blocks, legend

FLOOR, LIMIT = "nothing", "everything"
SCORES = {FLOOR: [1.0, 3.0], LIMIT: [0.2, 0.2], "half": [0.6, 1.6], "worse": [2.0, 4.0]}


def row(label, case, kl, snr=30.0, status="ok"):
    bound = {FLOOR: "floor", LIMIT: "limit"}.get(label, "")
    family = "reference" if bound else "classical"
    return {
        "method": label, "options": "", "label": label, "family": family, "bound": bound, "told": "",
        "tuning": "default",
        "scenario": "two", "snr": snr, "case": case, "status": status, "reason": "", "kl": kl,
        "seconds": 1.0, "seconds_alone": 1.0,
    }  # fmt: skip


@pytest.fixture
def rows():
    return pd.DataFrame([row(label, case, kl) for label, each in SCORES.items() for case, kl in enumerate(each)])


def test_ends_and_middle(rows):
    found = shares(rows)
    assert found[FLOOR] == 0
    assert found[LIMIT] == 1
    assert found["half"] == pytest.approx((2.0 - 1.1) / (2.0 - 0.2))
    assert found["worse"] < 0


def test_only_common_cases_count(rows):
    """A hard third case that the limit lacks changes nothing; one that a method lacks leaves the method out."""
    more = pd.DataFrame([row(FLOOR, 2, 9.0), row("half", 2, 9.0), row("worse", 2, 0.0)])
    pd.testing.assert_series_equal(shares(pd.concat([rows, more])), shares(rows))
    less = rows[~((rows["label"] == "half") & (rows["case"] == 1))]
    assert "half" not in shares(less)
    failed = pd.concat([less, pd.DataFrame([row("half", 1, 0.0, status="error")])])
    assert "half" not in shares(failed)


def test_cells_weigh_the_same(rows):
    """One case at another SNR counts as much as the two here."""
    other = pd.DataFrame([row(FLOOR, 0, 1.0, 100.0), row(LIMIT, 0, 0.0, 100.0), row("half", 0, 0.0, 100.0)])
    found = shares(pd.concat([rows, other]))
    assert found["half"] == pytest.approx((1.5 - 0.55) / (1.5 - 0.1))


def test_without_a_bound_there_is_no_share(rows):
    assert shares(rows[rows["label"] != LIMIT]).empty
    board = leaderboard(rows[rows["label"] != LIMIT], ["kl"])
    assert board["share"].isna().all()
    assert "to limit" not in blocks(board, ["scenario", "snr"])[0].header
    assert not any("to limit" in line for line in legend(board))


def test_the_table_shows_it(rows):
    board = leaderboard(rows, ["kl"])
    (block,) = blocks(board, ["scenario", "snr"])
    column = block.header.index("to limit")
    shown = {line[0].text: line[column].text for line in (*block.lines, *block.references)}
    assert shown == {"half": "50%", "worse": "-56%", LIMIT: "100%", FLOOR: "0%"}
    assert any("no method can pass" in line for line in legend(board))


def test_cases_can_be_cut(rows):
    assert set(select(rows, cases=1)["case"]) == {0}
