"""From rows, one a case and method, to means with intervals and counted failures."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dexsy_bench import bounds
from dexsy_bench.errors import UserError
from dexsy_bench.metrics import METRICS
from dexsy_bench.problem import Floats
from dexsy_bench.statistics import bootstrap_means, by_specimen, paired_tests, resampled_means, tied_ranks

DEFAULT_METRICS = ("kl", "js", "w1", "topk", "exchange", "residual")
FAILURES = ("error", "timeout", "oom", "invalid", "unsupported", "missing")
"""Why a case has no score; `missing`: it has no row, as when a run was stopped."""

CASE_COLUMNS = ("scenario", "snr", "case")
LABEL_COLUMNS = ("method", "options", "family", "told", "tuning")
COSTS = ("seconds", "seconds_alone")


class TableError(UserError):
    """A table that cannot be made; the message says what to ask instead."""


def with_labels(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column `label`: ``tikhonov[order=0]``."""
    options = rows["options"].fillna("")
    return rows.assign(label=rows["method"].where(options == "", rows["method"] + "[" + options + "]"))


def select(
    rows: pd.DataFrame,
    scenarios: Sequence[str] = (),
    snr: Sequence[float] = (),
    methods: Sequence[str] = (),
    cases: int | None = None,
) -> pd.DataFrame:
    """The rows of these scenarios, SNR levels and methods, by label (none named: all), of cases 0 to cases - 1.

    Raises
    ------
    TableError
        If one is not in the rows, or no case is.
    """
    if cases is not None and cases < 1:
        raise TableError(f"--cases {cases}: must be 1 or more")
    if methods:
        rows = with_labels(rows)
    for column, wanted in (("scenario", scenarios), ("snr", snr), ("label", methods)):
        if wanted:
            for value in wanted:
                known = rows[column].unique()
                if value not in known:
                    what = "method" if column == "label" else column
                    raise TableError(f"no {what} {_show(value)} in these results{choices(value, known)}")
            rows = rows[rows[column].isin(list(wanted))]
    if cases is None or rows.empty:
        return rows
    if rows["case"].min() >= cases:
        raise TableError(f"no case below {cases}; they are {rows['case'].min()} to {rows['case'].max()}")
    return rows[rows["case"] < cases]


def default_metrics(rows: pd.DataFrame) -> list[str]:
    """The default metrics that some row has a value of: without noise there is no residual over it."""
    return [name for name in DEFAULT_METRICS if rows[name].notna().any()] or list(DEFAULT_METRICS)


def has_values(rows: pd.DataFrame, metric: str) -> bool:
    """Whether some case that was solved has a value of the metric."""
    return metric in rows and bool(np.isfinite(rows.loc[rows["status"] == "ok", metric].to_numpy(dtype=float)).any())


def check_metrics(rows: pd.DataFrame, metrics: Iterable[str]) -> None:
    """Raise TableError unless every metric exists and some row has a value of it."""
    for name in metrics:
        if name not in METRICS:
            raise TableError(f"no metric '{name}'{choices(name, list(METRICS))}")
        if not has_values(rows, name):
            counts = ", ".join(f"{n} {status}" for status, n in rows["status"].value_counts().items())
            raise TableError(f"no case has a value of {name}: the {len(rows)} rows are {counts or 'none'}")


def leaderboard(
    rows: pd.DataFrame,
    metrics: Sequence[str] = DEFAULT_METRICS,
    by: Sequence[str] = ("scenario", "snr"),
    sort: str | None = None,
) -> pd.DataFrame:
    """Mean of each metric with its 95 % interval, and what it stands on.

    A mean is over the cells (scenario x SNR) of a block, each with the same weight, of the mean
    over the cases that were scored there; it is left out (NaN) where a cell has none. A specimen
    returns at every SNR, so specimens are what the bootstrap resamples.

    Parameters
    ----------
    rows : DataFrame
        One row a case and method, as :func:`dexsy_bench.store.load_rows` returns them.
    metrics : sequence of str
        Keys of :data:`dexsy_bench.metrics.METRICS`.
    by : sequence of str
        Columns that make the blocks: of CASE_COLUMNS and LABEL_COLUMNS; empty: one block.
    sort : str, optional
        A metric, `seconds`, `seconds_alone` or `label`; js (else the first metric) if not given.

    Returns
    -------
    DataFrame
        One row a block, method and metric, in the order of the table: the columns of `by`, `label`,
        LABEL_COLUMNS; `cells`, `asked` and `ok` (cases) and a count for each of FAILURES; `seconds` and
        `seconds_alone` (medians); `share` of the way from floor to limit (:mod:`dexsy_bench.bounds`);
        `metric`, `mean`, `low`, `high` (NaN where a cell has one case); `scored` of `scorable` cases
        (:meth:`Results.scorable`) in `scored_cells` cells; `complete` (all scored);
        `best` (least mean loss of the complete ones that are no references) and `tied_best` (those that share the
        first rank by :func:`dexsy_bench.statistics.tied_ranks`; the best alone where the values of single cases
        cannot be compared).

    Raises
    ------
    TableError
    """
    _check_by(by)
    check_metrics(rows, metrics)
    sort = sort or ("js" if "js" in metrics else metrics[0])
    if sort not in (*metrics, *COSTS, "label"):
        raise TableError(f"cannot sort by '{sort}'{choices(sort, [*metrics, *COSTS, 'label'])}")

    results = Results(rows)
    summaries = _Summaries(results, metrics)
    case_by = [column for column in by if column in CASE_COLUMNS]
    records: list[dict[str, Any]] = []
    samples: list[Floats] = []
    labelled = with_labels(rows)
    groups = results.cases.groupby(case_by, sort=True, dropna=False).indices if case_by else {(): results.every_case}
    for block, (key, columns) in enumerate(groups.items()):
        about = dict(zip(case_by, key if isinstance(key, tuple) else (key,), strict=True)) | {"block": block}
        share = bounds.shares(labelled.merge(results.cases.loc[columns], on=list(CASE_COLUMNS)))
        for label in range(len(results.labels)):
            for record, sample in summaries.of(label, columns):
                records.append(about | record | {"share": share.get(record["label"], np.nan)})
                samples.append(sample)
    board = pd.DataFrame(records)
    board["mean"], board["low"], board["high"] = bootstrap_means(samples)
    _mark_best(board, list(by), results, list(groups.values()))
    return _in_order(board, list(by), list(metrics), sort)


class Results:
    """The rows as arrays (labels L, cases K), so that what is not there shows as a hole.

    Attributes
    ----------
    cases : DataFrame
        CASE_COLUMNS of the K cases.
    cell, specimen : (K,)
        Numbers of the cell (scenario x SNR) and of the specimen (scenario and case) of each case.
    labels : list of str
        The L methods, in alphabetical order.
    status : (L, K)
        `missing` where there is no row.

    Raises
    ------
    TableError
        If there are two rows for one.
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        keys = list(CASE_COLUMNS)
        rows = with_labels(rows)
        twice = rows[rows.duplicated([*keys, "label"])]
        if len(twice):
            first = twice.iloc[0]
            raise TableError(
                f"two rows for {first['label']}, {first['scenario']}, SNR {first['snr']:g}, case {first['case']}: "
                "remove one of the shards in rows/"
            )
        self.cases = rows[keys].drop_duplicates().sort_values(keys, ignore_index=True)
        self.every_case = np.arange(len(self.cases))
        self.cell = self.cases.groupby(["scenario", "snr"], dropna=False).ngroup().to_numpy()
        self.specimen = self.cases.groupby(["scenario", "case"], dropna=False).ngroup().to_numpy()
        self.labels = sorted(rows["label"].unique())
        self._rows = rows
        self._at = (
            pd.Categorical(rows["label"], categories=self.labels).codes,
            rows[keys].merge(self.cases.reset_index(), on=keys, how="left")["index"].to_numpy(),
        )
        self._columns: dict[str, Any] = {}
        self.status = self.column("status", "missing", object)
        self._ok = self.status == "ok"

    def column(self, name: str, empty: Any = None, dtype: Any = object) -> Any:
        """A column of the rows as (L, K), with `empty` where there is no row."""
        if name not in self._columns:
            values = np.full((len(self.labels), len(self.cases)), empty, dtype=dtype)
            values[self._at] = self._rows[name]
            self._columns[name] = values
        return self._columns[name]

    def scores(self, name: str) -> Floats:
        """A column of numbers as (L, K), NaN where a case failed."""
        return np.where(self._ok, self.column(name, np.nan, float), np.nan)

    def scorable(self, metric: str) -> NDArray[np.bool_]:
        """Of the cases (K,) all but those where it is undefined for every method that answered.

        Such as the residual of a noiseless signal. A case that nobody answered is scorable, unless the metric is
        undefined wherever its cell was answered.
        """
        answered, defined = self._ok.any(axis=0), np.isfinite(self.scores(metric)).any(axis=0)
        never = np.isin(self.cell, self.cell[answered]) & ~np.isin(self.cell, self.cell[defined])
        return np.asarray(defined | (~answered & ~never))

    def sample(self, values: Floats, columns: Any) -> Floats:
        """What the bootstrap resamples to learn the mean over the cells of some cases: one number a specimen.

        NaN among the values (of the cases `columns`) are left out, but empty where a cell has nothing else; the mean
        alone where a cell has a single case, whose scatter cannot be known.
        """
        scored = columns[np.isfinite(values)]
        cell = self.cell[scored]
        if not scored.size or np.unique(cell).size < np.unique(self.cell[columns]).size:
            return np.empty(0)
        influence = by_specimen(values[None, np.isfinite(values)], cell, self.specimen[scored])[1][0]
        single = np.unique(cell, return_counts=True)[1].min() < 2
        return np.asarray(influence.mean(keepdims=True) if single else influence)

    def losses(self, metric: str, labels: Any, columns: Any) -> tuple[Floats, Floats]:
        """:func:`dexsy_bench.statistics.by_specimen` of the losses of methods that have scores of all these cases."""
        within = columns[self.scorable(metric)[columns]]
        values = badness(metric, self.scores(metric)[np.ix_(labels, within)])
        return by_specimen(values, self.cell[within], self.specimen[within])


class _Summaries:
    """What the table says of each method on some of the cases."""

    def __init__(self, results: Results, metrics: Sequence[str]) -> None:
        self.results, self.metrics = results, list(metrics)
        self.text = {name: results.column(name) for name in LABEL_COLUMNS}
        self.values = {name: results.scores(name) for name in (*dict.fromkeys(metrics), *COSTS)}
        self.scorable = {name: results.scorable(name) for name in self.metrics}

    def of(self, label: int, columns: Any) -> Iterable[tuple[dict[str, Any], Floats]]:
        """For each metric, the record of a method on these cases, and the sample whose mean is wanted."""
        results = self.results
        status = results.status[label, columns]
        about = {name: _joined(self.text[name][label]) for name in LABEL_COLUMNS}
        about["tuning"] = _joined(self.text["tuning"][label, columns]) or about["tuning"]
        common = (
            {"label": results.labels[label], **about, "cells": np.unique(results.cell[columns]).size}
            | {"asked": len(columns), "ok": int((status == "ok").sum())}
            | {name: int((status == name).sum()) for name in FAILURES}
            | {name: _median(self.values[name][label, columns]) for name in COSTS}
        )
        for name in self.metrics:
            within = columns[self.scorable[name][columns]]
            x = self.values[name][label, within]
            scored = within[np.isfinite(x)]
            cells, scored_cells = (np.unique(results.cell[k]).size for k in (within, scored))
            sample = results.sample(x, within)
            by_case = METRICS[name].pairs and METRICS[name].target is not None
            loss = _mean(results.sample(badness(name, x), within)) if by_case else badness(name, _mean(sample))
            yield (
                common
                | {"metric": name, "scored": scored.size, "scorable": within.size}
                | {"scored_cells": scored_cells, "scorable_cells": cells}
                | {"complete": 0 < scored.size == within.size, "badness": float(loss)},
                sample,
            )


def badness(metric: str, values: Any) -> Any:
    """What to minimise: the value, its negative, or its distance from the target, as the metric wants."""
    values = np.asarray(values, dtype=float)
    return METRICS[metric].badness(values) if metric in METRICS else values


def _mark_best(board: pd.DataFrame, by: list[str], results: Results, blocks: list[Any]) -> None:
    """Mark the best of the complete methods, and those that share the first rank with it in that block."""
    board["best"] = board["tied_best"] = False
    fair = board[board["complete"] & (board["family"] != "reference")]
    for _, part in fair.groupby([*by, "metric"], dropna=False):
        metric = part["metric"].iloc[0]
        best = (part["badness"] == part["badness"].min()).to_numpy()
        board.loc[part.index, "best"] = best
        if METRICS[metric].pairs:
            labels = [results.labels.index(label) for label in part["label"]]
            shares, influence = results.losses(metric, labels, blocks[part["block"].iloc[0]])
            tests = paired_tests(shares, resampled_means(influence))
            best = best | (tied_ranks(shares.mean(axis=1), tests) == 1)
        board.loc[part.index, "tied_best"] = best


def _in_order(board: pd.DataFrame, by: list[str], metrics: list[str], sort: str) -> pd.DataFrame:
    """In the order of the table."""
    board["reference"] = board["family"] == "reference"
    if sort in metrics:
        first = board.loc[board["metric"] == sort, [*dict.fromkeys([*by, "label"]), "badness"]]
        board = board.merge(first.rename(columns={"badness": "order"}), how="left")
    else:
        board["order"] = board[sort] if sort in COSTS else 0.0
    board["metric_order"] = board["metric"].map({name: i for i, name in enumerate(metrics)})
    board = board.sort_values([*by, "reference", "order", "label", "metric_order"], ignore_index=True)
    head = [*by, "label", *(name for name in LABEL_COLUMNS if name not in by)]
    tail = ["metric", "mean", "low", "high", "scored", "scorable", "scored_cells", "scorable_cells"]
    marks = ["complete", "best", "tied_best"]
    return board[[*head, "cells", "asked", "ok", *FAILURES, *COSTS, "share", *tail, *marks]]


def _check_by(by: Sequence[str]) -> None:
    for column in by:
        if column not in (*CASE_COLUMNS, *LABEL_COLUMNS):
            raise TableError(f"cannot group by '{column}'{choices(column, [*CASE_COLUMNS, *LABEL_COLUMNS])}")


def _joined(texts: Any) -> str:
    return ", ".join(dict.fromkeys(text for text in texts if text))


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else float("nan")


def _median(values: Floats) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else float("nan")


def _show(value: Any) -> str:
    return f"'{value}'" if isinstance(value, str) else f"{value:g}"


def choices(value: Any, known: Iterable[Any]) -> str:
    """`(did you mean 'kl'?); there are: ...`, for the end of a message."""
    known = list(known)
    close = difflib.get_close_matches(value, known, n=1) if isinstance(value, str) else []
    hint = f" (did you mean '{close[0]}'?)" if close else ""
    return f"{hint}; there are: {', '.join(str(k) if isinstance(k, str) else f'{k:g}' for k in sorted(known))}"
