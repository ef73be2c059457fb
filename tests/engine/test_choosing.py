"""Rules against the best value in hindsight, on a made-up table."""

import pandas as pd
import pytest

from dexsy_bench.choosing import FIXED, ORACLE, blocks, losses
from dexsy_bench.leaderboard import TableError

# js of three cases for each option
SCORES = {
    "alpha=0.1": [0.1, 0.5, 0.3],
    "alpha=1": [0.4, 0.2, 0.3],
    "": [0.1, 0.3, 0.3],
    "alpha=gcv": [0.4, 0.5, 0.6],
    "order=0,alpha=0.1": [0.2, 0.2, 0.2],
    "order=0": [0.3, 0.3, 0.3],
    "order=1": [0.1, 0.1, 0.1],
}


@pytest.fixture
def rows():
    return pd.DataFrame(
        {"method": "mine", "options": options, "scenario": "two", "snr": 30.0, "case": case, "status": "ok", "js": js}
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
    assert (fixed["value"], fixed["loss"]) == ("0.1", pytest.approx(0.1)) or fixed["loss"] == pytest.approx(0.1)
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("other", "alpha"), "no method other"),
        (("mine", "beta"), r"no rows with numbers for beta to choose from: run mine\[beta=0.1\]"),
        (("mine", "alpha", "topk"), "no case has a value of topk|topk is not"),
    ],
)
def test_what_cannot_be_shown_is_said(rows, arguments, message):
    with pytest.raises(TableError, match=message):
        losses(rows, *arguments)
