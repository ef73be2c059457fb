"""Columns that not every results folder has."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dexsy_bench.plots.look import PlotError


def with_values(rows: pd.DataFrame, columns: tuple[str, ...], why: str) -> pd.DataFrame:
    """The answered rows with a finite number in each of the columns.

    Raises
    ------
    PlotError
        If there is none: `no row has exchange_found: ` and why.
    """
    absent = [name for name in columns if name not in rows]
    if not absent:
        values = rows[list(columns)].to_numpy(dtype=float)
        kept: pd.DataFrame = rows[(rows["status"] == "ok") & np.isfinite(values).all(axis=1)]
        if len(kept):
            return kept
    raise PlotError(f"no row has a value of {' and '.join(absent or columns)}: {why}")
