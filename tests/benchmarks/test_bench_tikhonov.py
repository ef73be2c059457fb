"""What an inversion costs: against scipy.optimize.nnls on the same compressed, augmented system in the same run, and
with alpha chosen from the data against a single one.

Run with ``OMP_NUM_THREADS=1 pytest tests/benchmarks/test_bench_tikhonov.py --benchmark-enable -s`` (several minutes:
SciPy takes seconds a case). The targets, an inversion in a batch of 64: 3,000 times faster at order 0, geometric mean
over alphas and core scenarios, at the same objective; an alpha chosen out of 20, and solved at, for the price of 4
solves at one of them, on the average of the 20. Without --benchmark-enable the same is done on a small grid, for the
comparison of objectives alone.
"""

from time import process_time

import numpy as np
import pytest
from dexsy_bench.methods.tikhonov import PATHS, SOLVERS
from references import penalty
from scipy.optimize import nnls

from dexsy_bench.method import Inverter
from dexsy_bench.numerics import alpha as rules
from dexsy_bench.numerics.block_pivoting import Cases
from dexsy_bench.numerics.compression import Compression, noise_sd
from dexsy_bench.numerics.roughness import Roughness
from dexsy_bench.registry import Registry

BATCH = 64
RULES = ("ftest", "gcv", "lcurve", "discrepancy", "brd")
SNR = 100.0
MODELS = ("two_compartment", "three_compartment")
REGISTRY = Registry()


def small(scenario):
    """The same scenario on a grid of 16 x 16."""
    return scenario.model_copy(update={"grid": scenario.grid.model_copy(update={"n": 16})})


def setting(name, full, snr=SNR):
    """Problem and signals of a core scenario; fewer of them on the small grid."""
    scenario = REGISTRY.scenario(name) if full else small(REGISTRY.scenario(name))
    return scenario.problem(snr), scenario.cases(0, BATCH if full else 8, snr, "validation").noisy


def ready(problem, **options):
    return Inverter(REGISTRY.method("tikhonov"), REGISTRY.make_options("tikhonov", options), problem)


def seconds_each(invert, signals, rounds):
    """Median CPU seconds an inversion, which other work disturbs less than the clock, and the estimate."""
    invert(signals[:1])  # imports SciPy
    times = []
    for _ in range(rounds):
        start = process_time()
        estimate = invert(signals)
        times.append((process_time() - start) / len(signals))
    return np.median(times), estimate


def scipy_seconds(problem, signal, alpha, order):
    """Seconds that nnls takes for one case, and its objective over all data."""
    compression = Compression(problem)
    a, (y, outside) = compression.matrix(), compression.project(signal)
    root = np.linalg.cholesky(penalty(order, problem.grid.shape)).T
    augmented, data = np.vstack([a, np.sqrt(alpha) * root]), np.concatenate([y[0], np.zeros(a.shape[1])])
    start = process_time()
    _, residual = nnls(augmented, data, maxiter=50 * a.shape[1])
    return process_time() - start, 0.5 * (residual**2 + outside[0])


@pytest.mark.parametrize("order", [0, 1, 2])
def test_tikhonov_against_nnls(benchmark, order):
    ratios = []
    for name in MODELS:
        problem, signals = setting(name, benchmark.enabled)
        for alpha in (0.01, 0.1, 1.0):
            ours, estimate = seconds_each(
                ready(problem, order=order, alpha=alpha), signals, 3 if benchmark.enabled else 1
            )
            theirs, reference = scipy_seconds(problem, signals[:1, 0], alpha, order)
            ratios.append(theirs / ours)
            print(
                f"\n{name}, order {order}, alpha {alpha:g}: {1e3 * ours:.2f} ms an inversion, "
                f"nnls {theirs:.2f} s: {ratios[-1]:.0f} times faster"
            )
            assert estimate.diagnostics["converged"].all()
            np.testing.assert_allclose(estimate.diagnostics["objective"][0], reference, rtol=1e-8)
    mean = np.exp(np.log(ratios).mean())
    benchmark.extra_info["ratio"] = mean
    benchmark.pedantic(ready(problem, order=order, alpha=1.0), (signals,), rounds=1)
    print(f"order {order}: {mean:.0f} times faster than nnls, geometric mean")


def from_exact_solutions(problem, signals, order):
    """What each rule chooses from exact solutions at all alphas, as indices."""
    a, path = Compression(problem), PATHS[order]
    y, outside = a.project(signals[:, 0])
    exact = [SOLVERS[order](a, y, alpha) for alpha in path]

    def dof(f, alpha):
        if order == 0:
            grams = a.gram((f > 0).astype(float))
        else:
            cases = Cases.new(a, y, alpha, Roughness(order))
            cases.minimum(f > 0, exact=False)
            grams = cases.cells.gram
        size = grams.shape[1]
        return size - alpha * np.trace(np.linalg.inv(grams + alpha * np.eye(size)), axis1=1, axis2=2)

    along = rules.Curves(
        np.stack([solution.misfit for solution in exact]),
        np.stack([dof(solution.f, alpha) for solution, alpha in zip(exact, path, strict=True)]),
        outside,
        a.n_data,
        np.stack([solution.penalty for solution in exact]),
        path,
    )
    return {rule: rules.choose(rule, along, noise_sd(problem, signals[:, 0])) for rule in RULES}


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("name", MODELS)
def test_alpha_out_of_20_against_each_of_them(benchmark, name, order):
    path, rounds = PATHS[order], 3 if benchmark.enabled else 1
    assert len(path) == 20
    for snr in (30.0, 100.0, 1000.0) if benchmark.enabled else (SNR,):
        problem, signals = setting(name, benchmark.enabled, snr)
        each = [seconds_each(ready(problem, order=order, alpha=float(alpha)), signals, rounds)[0] for alpha in path]
        single, middle = np.mean(each), each[len(path) // 2]
        wanted = from_exact_solutions(problem, signals, order)
        print(
            f"\n{name}, SNR {snr:g}, order {order}: one alpha {1e3 * single:.1f} ms an inversion, mean of {len(path)}"
        )
        for rule in RULES:
            whole, estimate = seconds_each(ready(problem, order=order, alpha=rule), signals, rounds)
            off = np.abs(np.searchsorted(path, estimate.diagnostics["alpha"] * 0.999) - wanted[rule])
            benchmark.extra_info[f"{rule}, SNR {snr:g}"] = whole / single
            print(
                f"  {rule} {1e3 * whole:.1f} ms: as much as {whole / single:.1f} of them, {whole / middle:.1f} of that "
                f"in the middle of the path; {(off > 0).sum()} of {len(off)} otherwise than from exact solutions, "
                f"{(off > 1).sum()} by more than a step"
            )
            assert estimate.diagnostics["converged"].all()
            assert rule not in ("discrepancy", "brd") or np.mean(off <= 1) >= 0.75
    benchmark.pedantic(ready(problem, order=order), (signals,), rounds=1)
