"""What scoring costs. Run with ``pytest tests/benchmarks/test_bench_scoring.py --benchmark-enable -s``."""

from time import perf_counter

import numpy as np
import ot
import pytest
from scipy.ndimage import gaussian_filter

from dexsy_bench.metrics import score
from dexsy_bench.metrics.wasserstein import TOLERANCE, wasserstein
from dexsy_bench.registry import Registry

N = 8


def smoothed(f):
    """Broader than the truth, as regularised estimates are."""
    smooth = gaussian_filter(f, (0, 0, 2, 2), mode="nearest")
    return smooth / smooth.sum(axis=(-1, -2), keepdims=True)


def another(f):
    """Smooth, with every peak elsewhere."""
    return np.roll(f, 1, axis=0)


def spiky(f):
    """Twenty cells, drawn from the truth, as unregularised estimates are."""
    rng = np.random.default_rng(0)
    counts = [rng.multinomial(20, case.ravel() / case.sum()).reshape(case.shape) for case in f]
    return np.array(counts) / 20


def broad(f):
    """Mass nearly everywhere, as estimates at low SNR are."""
    smooth = gaussian_filter(f, (0, 0, 8, 8), mode="nearest")
    return smooth / smooth.sum(axis=(-1, -2), keepdims=True)


ESTIMATES = {make.__name__: make for make in (smoothed, another, spiky, broad)}


@pytest.fixture(scope="module")
def problem():
    return Registry().scenario("two_compartment").problem(100.0)


@pytest.fixture(scope="module")
def cases():
    return Registry().scenario("two_compartment").cases(0, N, 100.0)


@pytest.mark.parametrize("make", ESTIMATES.values(), ids=ESTIMATES)
def test_scoring_a_batch(benchmark, cases, problem, make):
    estimate = make(cases.distributions)
    score(cases, estimate, problem)  # imports SciPy and POT
    start = perf_counter()
    scores = benchmark(score, cases, estimate, problem)
    if benchmark.stats:
        seconds = benchmark.stats.stats.min / N
        benchmark.extra_info["seconds_per_case"] = seconds
    else:
        seconds = (perf_counter() - start) / N
    print(f"\nall metrics, {make.__name__}: {1e3 * seconds:.1f} ms a case")
    assert np.isfinite(scores["w1"]).all()


@pytest.mark.parametrize("make", [smoothed, another], ids=["smoothed", "another"])
def test_wasserstein_against_plain_pot(benchmark, cases, problem, make):
    f, f_hat = cases.distributions[:1, 0], make(cases.distributions)[:1, 0]
    grid = problem.grid
    where = np.stack(np.meshgrid(grid.log_d1, grid.log_d2, indexing="ij"), axis=-1).reshape(-1, 2)
    cost = ot.dist(where, metric="euclidean")
    wasserstein(f, f_hat, grid)  # imports SciPy

    start = perf_counter()
    plain = ot.emd2(f.ravel(), f_hat.ravel(), cost, numItermax=10**8)
    plain_seconds = perf_counter() - start
    start = perf_counter()
    ours = benchmark(wasserstein, f, f_hat, grid)
    seconds = benchmark.stats.stats.median if benchmark.stats else perf_counter() - start

    ratio = plain_seconds / seconds
    benchmark.extra_info.update(plain_seconds=plain_seconds, seconds=seconds, ratio=ratio)
    print(f"\nw1, {make.__name__}: {plain_seconds:.2f} s plain, {seconds:.3f} s pruned: {ratio:.0f} times faster")
    np.testing.assert_allclose(ours, plain, rtol=0, atol=TOLERANCE)
