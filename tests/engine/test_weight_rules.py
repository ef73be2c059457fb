"""Rules against the best value in hindsight, on a made-up table."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from dexsy_bench.leaderboard import TableError
from dexsy_bench.tables import terminal
from dexsy_bench.weight_rules import FIXED, ORACLE, blocks, losses

# js of three cases for each option
SCORES = {
    "alpha=0.1": [0.1, 0.5, 0.3],
    "alpha=1": [0.4, 0.2, 0.4],
    "": [0.1, 0.3, 0.3],
    "alpha=gcv": [0.4, 0.5, 0.6],
    "order=0,alpha=0.1": [0.2, 0.2, 0.2],
    "order=0": [0.3, 0.3, 0.3],
    "order=1": [0.1, 0.1, 0.1],
}


@pytest.fixture
def rows():
    return pd.DataFrame(
        {
            "method": "mine",
            "options": options,
            "scenario": "two",
            "snr": 30.0,
            "case": case,
            "status": "ok",
            "js": js,
            "topk": 1 - js,
        }
        for options, each in SCORES.items()
        for case, js in enumerate(each)
    )


def line(found, rule, group=""):
    return found[(found["rule"] == rule) & (found["group"] == group)].iloc[0]


def test_losses_are_against_the_best_for_each_case(rows):
    found = losses(rows, "mine", "alpha")
    assert line(found, ORACLE)["mean"] == pytest.approx((0.1 + 0.2 + 0.3) / 3)
    assert line(found, ORACLE)["loss"] == 0
    assert line(found, "default")["loss"] == pytest.approx(0.1 / 3)
    assert line(found, "gcv")["loss"] == pytest.approx((0.3 + 0.3 + 0.3) / 3)
    fixed = line(found, FIXED)
    assert (fixed["value"], fixed["loss"]) == ("0.1", pytest.approx(0.1))
    assert line(found, "default", "order=0")["loss"] == pytest.approx(0.1)


def test_other_options_make_groups_and_those_without_candidates_none(rows):
    assert set(losses(rows, "mine", "alpha")["group"]) == {"", "order=0"}


def test_a_case_that_a_candidate_lacks_does_not_count(rows):
    lost = (rows["options"] == "alpha=1") & (rows["case"] == 1)
    found = losses(rows.assign(js=rows["js"].mask(lost)), "mine", "alpha")
    assert line(found, ORACLE)["cases"] == 2
    assert line(found, "default")["loss"] == pytest.approx(0)


def test_the_table_ranks_rules_and_keeps_the_oracle_apart(rows):
    first, second = blocks(losses(rows, "mine", "alpha"), "mine", "js")
    assert [cells[0].text for cells in first.lines] == ["default", "gcv"]
    assert first.lines[0][1].bold
    assert not first.lines[1][1].bold
    assert [cells[0].text for cells in first.references] == [FIXED, "oracle (js)"]
    assert second.title.startswith("mine[order=0]")


def test_a_rule_that_fails_on_hard_cases_does_not_win(rows):
    """Without its hard cases gcv would lose nothing."""
    lucky = (rows["options"] == "alpha=gcv") & (rows["case"] < 2)
    lost = (rows["options"] == "alpha=gcv") & (rows["case"] == 2)
    best = rows["case"].map({0: 0.1, 1: 0.2, 2: 0.3})
    found = losses(rows.assign(js=rows["js"].mask(lucky, best).mask(lost)), "mine", "alpha")
    assert line(found, "gcv")["loss"] == pytest.approx(0)
    (first, second), _ = (block.lines for block in blocks(found, "mine", "js"))
    assert (first[0].text, first[1].bold) == ("default", True)
    assert (second[0].text, second[1].bold) == ("gcv", False)
    assert second[1].text.endswith("†")


def test_a_specimen_counts_once_whatever_the_snr(rows):
    """The same losses at four levels say no more than at one."""
    once = losses(rows, "mine", "alpha", by="scenario")
    often = losses(pd.concat([rows.assign(snr=snr) for snr in (10.0, 30.0, 100.0)]), "mine", "alpha", by="scenario")
    for name in ("loss", "low", "high"):
        np.testing.assert_allclose(line(once, "gcv")[name], line(often, "gcv")[name])


def test_it_fits_a_narrow_terminal(rows):
    many = pd.concat([rows.assign(snr=snr) for snr in (10.0, 30.0, 100.0)])
    console = Console(width=50, file=io.StringIO())
    console.print(terminal(blocks(losses(many, "mine", "alpha"), "mine", "js"), (), 50))
    assert "gcv" in console.file.getvalue()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("other", "alpha"), "no method other"),
        (("mine", "beta"), r"no rows with numbers for beta to choose from: run mine\[beta=0.1\]"),
        (("mine", "alpha", "topk"), "topk is not one of which low is good"),
    ],
)
def test_what_cannot_be_shown_is_said(rows, arguments, message):
    with pytest.raises(TableError, match=message):
        losses(rows, *arguments)
