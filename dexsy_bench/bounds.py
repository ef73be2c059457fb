"""How far a method gets from the floor, which sees no signal, to the limit, which knows all that can be known."""

from __future__ import annotations

import numpy as np
import pandas as pd

METRIC = "kl"
"""The one that the limit minimises by definition: no method can have a lower expected value than the posterior mean."""


def shares(rows: pd.DataFrame) -> pd.Series:
    """Share of the way from floor to limit that each method covers in mean kl, by label.

    Over the cases that floor, limit and method all have scores for, each cell (scenario x SNR) with the same weight:
    ``(floor - method) / (floor - limit)``. 1 is perfect, 0 no better than without a signal.

    Parameters
    ----------
    rows : DataFrame
        With labels, one row a case and method; column `bound` names the two that bound the others.

    Returns
    -------
    Series
        Empty where floor or limit are not among the rows; methods that lack some of those cases are left out.
    """
    cells = ["scenario", "snr"]
    scored = rows[rows["status"] == "ok"]
    if "bound" not in rows:
        return pd.Series(dtype=float)
    bound = {name: sorted(scored.loc[scored["bound"] == name, "label"].unique()) for name in ("floor", "limit")}
    if not all(bound.values()):
        return pd.Series(dtype=float)
    floor, limit = bound["floor"][0], bound["limit"][0]
    scores = scored.pivot_table(index=[*cells, "case"], columns="label", values=METRIC)
    scores = scores.dropna(subset=[floor, limit])
    means = scores.dropna(axis=1).groupby(level=cells).mean().mean()
    way = means[floor] - means[limit]
    return (means[floor] - means) / way if way > 0 else means * np.nan
