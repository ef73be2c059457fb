"""How far a method gets from the floor, which sees no signal, to the limit, which knows all that can be known."""

from __future__ import annotations

import numpy as np
import pandas as pd

FLOOR, LIMIT = "prior_mean", "information_limit"
"""The rows that bound the others."""

METRIC = "kl"
"""The one that the limit minimises by definition: no method can have a lower expected value than the posterior mean."""


def shares(rows: pd.DataFrame) -> pd.Series:
    """Share of the way from floor to limit that each method covers in mean kl, by label.

    Over the cases that floor, limit and method all have scores for, each cell (scenario x SNR) with the same weight:
    ``(floor - method) / (floor - limit)``. 1 is perfect, 0 no better than without a signal.

    Parameters
    ----------
    rows : DataFrame
        With labels, one row a case and method.

    Returns
    -------
    Series
        Empty where floor or limit are not among the rows; methods that lack some of those cases are left out.
    """
    cells = ["scenario", "snr"]
    scored = rows[rows["status"] == "ok"]
    if not {FLOOR, LIMIT} <= set(scored["label"]):
        return pd.Series(dtype=float)
    scores = scored.pivot_table(index=[*cells, "case"], columns="label", values=METRIC)
    scores = scores.dropna(subset=[FLOOR, LIMIT])
    means = scores.dropna(axis=1).groupby(level=cells).mean().mean()
    way = means[FLOOR] - means[LIMIT]
    return (means[FLOOR] - means) / way if way > 0 else means * np.nan
