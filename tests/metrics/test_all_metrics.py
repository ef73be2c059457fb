import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dexsy_bench.metrics import METRICS, READINGS, score
from dexsy_bench.problem import Acquisition

COLUMNS = [
    "kl", "js", "w1", "topk", "topk_precision", "topk_position", "topk_mass",
    "exchange", "exchange_k", "dei", "psnr", "ssim", "nmse", "residual",
    "coverage_50", "coverage_80", "coverage_95", "coverage_fractions", "coverage_positions", "crps", "energy",
    "peaks_true", "peaks_found", "exchange_true", "exchange_found",
]  # fmt: skip


def select(cases, chosen):
    parameters = {name: values[chosen] for name, values in cases.parameters.items()}
    return type(cases)(cases.distributions[chosen], cases.clean[chosen], cases.noisy[chosen], parameters)


def test_the_columns_are_those_of_the_results_format(cases, others, problem):
    scores = score(cases, others, problem)
    assert list(scores) == [*METRICS, *READINGS] == COLUMNS
    for column in scores.values():
        assert column.shape == (4,)
        assert column.dtype == np.float64


def test_readings_of_the_truth_are_the_same_for_every_estimate(cases, others, problem):
    perfect, other = (score(cases, f, problem) for f in (cases.distributions, others))
    for name in ("peaks", "exchange"):
        np.testing.assert_array_equal(perfect[f"{name}_found"], perfect[f"{name}_true"])
        np.testing.assert_array_equal(other[f"{name}_true"], perfect[f"{name}_true"])
        assert (other[f"{name}_found"] != other[f"{name}_true"]).any()
    np.testing.assert_allclose(other["exchange"], np.abs(other["exchange_found"] - other["exchange_true"]))


def test_the_truth_scores_perfectly(cases, problem):
    scores = score(cases, cases.distributions, problem)
    for name in ("js", "w1", "topk_position", "topk_mass", "exchange", "exchange_k", "dei", "nmse"):
        np.testing.assert_allclose(scores[name], 0, atol=1e-12, err_msg=name)
    for name in ("topk", "topk_precision", "ssim"):
        np.testing.assert_allclose(scores[name], 1, err_msg=name)
    np.testing.assert_array_equal(scores["psnr"], np.inf)
    np.testing.assert_array_less(scores["kl"], 1.01e-3)
    np.testing.assert_allclose(scores["residual"], 1, atol=0.15)


def test_knowing_nothing_scores_worse_than_the_truth_everywhere(cases, problem):
    uniform = np.full_like(cases.distributions, 1 / 4096)
    scores, best = score(cases, uniform, problem), score(cases, cases.distributions, problem)
    np.testing.assert_array_equal(scores["topk"], 0)
    np.testing.assert_array_equal(scores["topk_precision"], 0)
    for name in ("kl", "js", "w1", "dei", "exchange", "nmse", "residual"):
        assert (scores[name] > best[name]).all(), name
    for name in ("psnr", "ssim"):
        assert (scores[name] < best[name]).all(), name


def test_cases_are_scored_each_on_its_own(cases, others, problem):
    together = score(cases, others, problem)
    for n in range(4):
        alone = score(select(cases, [n]), others[n : n + 1], problem)
        for name, column in together.items():
            np.testing.assert_array_equal(alone[name], column[n : n + 1], err_msg=name)


@settings(derandomize=True, deadline=None, max_examples=10)
@given(order=st.permutations(range(4)))
def test_the_order_of_cases_does_not_matter(cases, problem, order):
    flat = cases.distributions**0.5
    flat /= flat.sum(axis=(-1, -2), keepdims=True)
    straight, permuted = score(cases, flat, problem), score(select(cases, order), flat[order], problem)
    for name, column in straight.items():
        np.testing.assert_array_equal(permuted[name], column[order], err_msg=name)


def test_several_mixing_times_are_averaged(cases, others, problem):
    acquisition, n = problem.acquisition, len(others)
    mask = np.random.default_rng(0).random((2, 64, 64)) < [[[0.3]], [[0.8]]]
    mask[:, 0, 0] = True
    joint = replace(problem, acquisition=Acquisition(acquisition.b1, acquisition.b2, np.array([0.01, 0.1]), mask))

    def both(array):  # case n at mixing time 1 is another specimen with the same centres
        return np.concatenate([array, array[::-1]], axis=1)

    truth = type(cases)(both(cases.distributions), both(cases.clean), both(cases.noisy), cases.parameters)
    scores = score(truth, both(others), joint)
    parts = [
        score(
            type(cases)(
                truth.distributions[:, t : t + 1],
                truth.clean[:, t : t + 1],
                truth.noisy[:, t : t + 1],
                cases.parameters,
            ),
            both(others)[:, t : t + 1],
            joint.at_mixing_time(t),
        )
        for t in (0, 1)
    ]
    for name, column in scores.items():
        values = np.stack([part[name] for part in parts])
        expected = [np.mean(v[~np.isnan(v)]) if (~np.isnan(v)).any() else np.nan for v in values.T]
        assert column.shape == (n,)
        np.testing.assert_allclose(column, expected, rtol=1e-12, atol=1e-15, err_msg=name)


def test_single_precision_is_scored_in_double(cases, others, problem):
    single, double = score(cases, others.astype(np.float32), problem), score(cases, others, problem)
    np.testing.assert_allclose(single["w1"], double["w1"], atol=1e-4)
    np.testing.assert_allclose(single["js"], double["js"], rtol=1e-5)


def test_neither_truth_nor_estimate_is_changed(cases, others, problem):
    before = others.copy(), cases.distributions.copy(), cases.noisy.copy()
    score(cases, others, problem)
    for old, new in zip(before, (others, cases.distributions, cases.noisy), strict=True):
        np.testing.assert_array_equal(old, new)


def test_an_estimate_that_cannot_be_scored_is_refused(cases, others, problem):
    with pytest.raises(ValueError, match="shape"):
        score(cases, others[:, 0], problem)
    for bad in (np.nan, -1.0):
        broken = others.copy()
        broken[2, 0, 3, 3] = bad
        with pytest.raises(ValueError, match="finite, non-negative"):
            score(cases, broken, problem)
    with pytest.raises(ValueError, match="have mass"):
        score(cases, 0 * others, problem)


def test_every_metric_is_described(pytestconfig):
    docs = (Path(pytestconfig.rootpath) / "docs" / "metrics.md").read_text(encoding="utf-8")
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.definition.endswith(".")
        assert metric.better in ("low", "high") or 0 < metric.target <= 1
        assert f"`{name}`" in docs


def test_descriptions_come_cheap():
    heavy = "scipy", "ot", "torch", "pandas", "matplotlib"
    script = f"import sys, dexsy_bench.metrics; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_scoring_leaves_torch_alone():
    script = (
        "import os, sys; from dexsy_bench.metrics.transport import _pot; _pot();"
        "print('torch' in sys.modules, [name for name in os.environ if name.startswith('POT_')])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False []"
