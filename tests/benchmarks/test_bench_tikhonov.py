"""What an inversion costs, against scipy.optimize.nnls on the same compressed, augmented system in the same run.

Run with ``pytest tests/benchmarks/test_bench_tikhonov.py --benchmark-enable -s`` (several minutes: SciPy takes seconds
a case). The target is a ratio of 200 per inversion in a batch of 64. Without --benchmark-enable the same is done on
a small grid, for the comparison of objectives alone.
"""

from time import perf_counter

import numpy as np
import pytest
from references import penalty
from scipy.optimize import nnls

from dexsy_bench.method import Inverter
from dexsy_bench.numerics.compression import Compression
from dexsy_bench.registry import Registry

BATCH = 64
SNR = 100.0


def small(scenario):
    """The same scenario on a grid of 16 x 16."""
    return scenario.model_copy(update={"grid": scenario.grid.model_copy(update={"n": 16})})


@pytest.mark.parametrize("order", [0, 2])
@pytest.mark.parametrize("alpha", [0.1, 1.0])
@pytest.mark.parametrize("name", ["two_compartment", "three_compartment"])
def test_tikhonov_against_nnls(benchmark, name, alpha, order):
    registry = Registry()
    scenario = registry.scenario(name) if benchmark.enabled else small(registry.scenario(name))
    problem, signals = scenario.problem(SNR), scenario.cases(0, BATCH, SNR, "validation").noisy
    options = registry.make_options("tikhonov", {"order": order, "alpha": alpha})
    invert = Inverter(registry.method("tikhonov"), options, problem)
    invert(signals[:1])  # imports SciPy

    start = perf_counter()
    estimate = benchmark.pedantic(invert, (signals,), rounds=3 if benchmark.enabled else 1)
    seconds = (benchmark.stats.stats.median if benchmark.stats else perf_counter() - start) / BATCH

    compression = Compression(problem)
    a, (y, outside) = compression.matrix(), compression.project(signals[:, 0])
    ltl = penalty(order, problem.grid.shape)
    augmented = np.vstack([a, np.sqrt(alpha) * np.linalg.cholesky(ltl).T])
    case = 0
    data = np.concatenate([y[case], np.zeros(a.shape[1])])
    start = perf_counter()
    f, residual = nnls(augmented, data, maxiter=50 * a.shape[1])
    nnls_seconds = perf_counter() - start

    ratio = nnls_seconds / seconds
    benchmark.extra_info.update(seconds=seconds, nnls_seconds=nnls_seconds, ratio=ratio, support=int((f > 0).sum()))
    print(
        f"\n{name}, order {order}, alpha {alpha:g}: {1e3 * seconds:.2f} ms an inversion, "
        f"nnls {nnls_seconds:.2f} s: {ratio:.0f} times faster"
    )
    assert estimate.diagnostics["converged"].all()
    reference = 0.5 * (residual**2 + outside[case])
    np.testing.assert_allclose(estimate.diagnostics["objective"][case], reference, rtol=1e-8)
