"""Which methods are better, as far as tests can tell: tied ranks, paired comparisons, agreement of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dexsy_bench.leaderboard import FAILURES, Results, TableError, badness, check_metrics
from dexsy_bench.metrics import METRICS
from dexsy_bench.statistics import LEVEL, bootstrap_means, paired_tests, rank_intervals, resampled_means, tied_ranks


class _Field:
    """The methods of a metric, and the tests between those that are ranked.

    Attributes
    ----------
    results : Results
        All L methods.
    within : (K,)
        The cases that can be scored.
    losses : (L, K)
        NaN where there is no score.
    family : list of L str
        `reference` for those that are never ranked.
    ranked : (L,)
        Scored on every case, and no reference.
    means : (M, R)
        Mean losses of the M ranked ones in the resamples.
    tests : Comparisons
        Of all their pairs.
    specimens : int
        On how many these stand.
    """

    def __init__(self, rows: pd.DataFrame, metric: str, seed: int) -> None:
        check_metrics(rows, [metric])
        if not METRICS[metric].pairs:
            raise TableError(
                f"{metric} cannot rank methods: its single cases cannot be compared, only its mean says something; "
                "see `table`"
            )
        self.results = results = Results(rows)
        self.within = np.flatnonzero(results.scorable(metric))
        self.losses = badness(metric, results.scores(metric)[:, self.within])
        self.family = [next(x for x in line if x is not None) for line in results.column("family")]
        self.ranked = np.isfinite(self.losses).all(axis=1) & (np.array(self.family) != "reference")
        shares, influence = results.losses(metric, np.flatnonzero(self.ranked), results.every_case)
        self.means = resampled_means(influence, seed=seed)
        self.tests = paired_tests(shares, self.means)
        self.specimens = shares.shape[1]

    def why_not(self, label: int) -> str:
        """The reason why a method is not ranked."""
        if self.ranked[label]:
            return ""
        if self.family[label] == "reference":
            return "reference"
        status = self.results.status[label, self.within]
        counts = {name: int((status == name).sum()) for name in FAILURES}
        counts["undefined"] = int(((status == "ok") & ~np.isfinite(self.losses[label])).sum())
        reasons = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        return f"scored on {np.isfinite(self.losses[label]).sum()} of {self.within.size} cases ({reasons})"

    def duels(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """On how many cases each ranked method has a lower loss than each other one, and the same: two of (M, M)."""
        losses = self.losses[self.ranked]
        shape = (len(losses), len(losses))
        won, same = ([compare(x, losses).sum(axis=1) for x in losses] for compare in (np.less, np.equal))
        return np.reshape(won, shape), np.reshape(same, shape)


def rank(rows: pd.DataFrame, metric: str, *, seed: int = 0) -> pd.DataFrame:
    """Rank the methods by mean loss; those that paired tests cannot separate share a rank.

    A method is ranked if it was scored on every case: one that failed or declined some is listed with the reason,
    and so are references. :func:`dexsy_bench.statistics.tied_ranks` has the rule for ties; docs/ranking.md explains
    both.

    Parameters
    ----------
    rows : DataFrame
        One row a case and method, as :func:`dexsy_bench.store.load_rows` returns them.
    metric : str
        A key of :data:`dexsy_bench.metrics.METRICS` that compares case by case.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        One row a label, best first, those without a rank last: `label`, `family`, `reference`; `mean` of the metric
        (of its distance from the target, where it has one) over the cells, with `low` and `high`, its 95% BCa
        interval, NaN where a cell has no score, the interval also where one has a single case; `rank`, NaN where there
        is none; `rank_low` and `rank_high`, between which the position of its mean lies in 95% of the resamples, NaN
        with a single specimen; `ranked`; `why` not; `asked` cases, those that can be scored, of so many `specimens`,
        and `scored` ones; `wins`, the share of comparisons won, case by case with every other ranked method, a tie
        being half a win.

    Raises
    ------
    TableError
        If there is no such metric, no value of it, or its single cases cannot be compared.
    """
    field = _Field(rows, metric, seed)
    sign = -1 if METRICS[metric].better == "high" else 1
    table = pd.DataFrame({"label": field.results.labels, "family": field.family})
    table["reference"] = table["family"] == "reference"
    samples = [field.results.sample(sign * loss, field.within) for loss in field.losses]
    table["mean"], table["low"], table["high"] = bootstrap_means(samples, seed=seed)
    table[["rank", "rank_low", "rank_high"]] = np.nan
    loss = sign * table["mean"]
    table["ranked"], n = field.ranked, int(field.ranked.sum())
    table["why"] = [field.why_not(label) for label in table.index]
    table["asked"], table["scored"] = field.within.size, np.isfinite(field.losses).sum(axis=1)
    table["specimens"] = field.specimens
    table["wins"] = np.nan
    if n:
        table.loc[field.ranked, "rank"] = tied_ranks(loss[field.ranked].to_numpy(), field.tests)
    if n and field.specimens > 1:  # of a single one there is nothing to resample
        table.loc[field.ranked, ["rank_low", "rank_high"]] = np.column_stack(rank_intervals(field.means))
    if n > 1:
        won, same = field.duels()
        points = (won + same / 2).sum(axis=1) - field.within.size / 2  # less those against itself
        table.loc[field.ranked, "wins"] = points / (field.within.size * (n - 1))
    order = table.assign(loss=loss).sort_values(["reference", "rank", "loss", "label"])
    return table.loc[order.index].reset_index(drop=True)


def pairwise(rows: pd.DataFrame, metric: str, *, seed: int = 0) -> pd.DataFrame:
    """Compare all ranked methods two by two, on the same cases.

    Parameters
    ----------
    rows, metric, seed
        As for :func:`rank`.

    Returns
    -------
    DataFrame
        One row an unordered pair of ranked labels `a` and `b`: `difference` of their mean losses (a less b: negative
        where a is better) with `low` and `high`, its 95% percentile interval over resampled specimens, NaN with a
        single one; `effect`, the matched-pairs rank-biserial correlation (-1: a is better on every specimen); `wins`,
        `losses` and `ties` of a in `pairs` cases; `p`, the larger one of the Wilcoxon signed-rank test and the
        bootstrap over specimens, `p_holm`, corrected for all pairs, and `separated`
        (:func:`dexsy_bench.statistics.paired_tests`).

    Raises
    ------
    TableError
        As for :func:`rank`.
    """
    field = _Field(rows, metric, seed)
    labels = np.array(field.results.labels)[field.ranked]
    tests, (won, same) = field.tests, field.duels()
    a, b = tests.first, tests.second
    tails = (1 - LEVEL) / 2, (1 + LEVEL) / 2
    ends = np.array([np.quantile(field.means[i] - field.means[j], tails) for i, j in zip(a, b, strict=True)])
    low, high = ends.reshape(-1, 2).T if field.specimens > 1 else np.full((2, len(a)), np.nan)
    return pd.DataFrame(
        {
            **{"a": labels[a], "b": labels[b], "difference": tests.difference, "low": low, "high": high},
            **{"effect": tests.effect, "wins": won[a, b], "losses": won[b, a], "ties": same[a, b]},
            **{"pairs": field.within.size, "p": tests.p, "p_holm": tests.p_holm, "separated": tests.separated},
        }
    )


def win_matrix(pairs: pd.DataFrame) -> pd.DataFrame:
    """Share of cases on which the row beats the column: labels x labels, NaN on the diagonal.

    Parameters
    ----------
    pairs : DataFrame
        As :func:`pairwise` returns them.
    """
    labels = list(dict.fromkeys([*pairs["a"], *pairs["b"]]))
    share = pd.DataFrame(np.nan, index=labels, columns=labels)
    for a, b, wins, losses, count in pairs[["a", "b", "wins", "losses", "pairs"]].itertuples(index=False):
        share.loc[a, b], share.loc[b, a] = wins / count, losses / count
    return share


def agreement(rows: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Kendall's tau-b between the ranks that metrics give: metrics x metrics.

    Over the methods that both rank; 1 where they agree in all pairs, as on the diagonal, -1 in none; NaN where one ties
    all of them, or they have fewer than two in common.

    Raises
    ------
    TableError
        As for :func:`rank`.
    """
    return agreement_of({metric: rank(rows, metric) for metric in metrics})


def agreement_of(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """:func:`agreement` of rankings that are there already, by metric."""
    ranks = pd.DataFrame({metric: table.set_index("label")["rank"] for metric, table in tables.items()})
    return ranks.corr(method="kendall", min_periods=2)
