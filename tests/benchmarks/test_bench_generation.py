"""What cases cost. Run with ``pytest tests/benchmarks/test_bench_generation.py --benchmark-enable -s``.

The target is 2000 cases a second on 2 cores, against a loop that makes one case at a time in plain Python.
"""

from time import perf_counter

import numpy as np
import pytest

from dexsy_bench import seeds
from dexsy_bench.registry import Registry

CORE = ["two_compartment", "three_compartment"]
LOOPED = 32


def one_case(scenario, problem, number):
    """f and the noisy signal of one case, written out peak by peak from the same random streams."""
    family, log_d = scenario.family, problem.grid.log_d1
    u = list(seeds.generator("test", scenario.name, "truth", number).random(family.n_uniforms))

    def take(n):
        taken, u[:] = u[:n], u[n:]
        return taken

    def log_uniform(x, low, high):
        return low * (high / low) ** x

    count, m = family.count, family.concentration
    centres = [log_uniform(x, *r) for x, r in zip(take(count), family.diffusivity, strict=True)]
    widths = [low + x * (high - low) for x, (low, high) in zip(take(count), family.width, strict=True)]
    gammas = [sum(-np.log(1 - x) for x in take(m)) for _ in range(count)]
    p = [g / sum(gammas) for g in gammas]
    k, tm = log_uniform(take(1)[0], *family.exchange_rate), log_uniform(take(1)[0], *family.mixing_time)

    f = np.zeros(problem.grid.shape)
    for i in range(count):
        for j in range(count):
            weight = p[i] * p[j] * (1 - np.exp(-k * tm)) + (p[i] * np.exp(-k * tm) if i == j else 0)
            d1, d2 = np.meshgrid(log_d, log_d, indexing="ij")
            z1, z2 = (d1 - np.log10(centres[i])) / widths[i], (d2 - np.log10(centres[j])) / widths[j]
            blob = np.exp(-0.5 * (z1**2 + z2**2))
            f += weight * blob / blob.sum()
    signal = problem.k1 @ f @ problem.k2.T
    real, imaginary = seeds.generator("test", scenario.name, 100.0, number).standard_normal((2, *signal.shape))
    noisy = np.abs(signal / signal[0, 0] + problem.sigma * (real + 1j * imaginary))
    return f, noisy / noisy[0, 0]


@pytest.mark.parametrize("name", CORE)
def test_generation_against_a_loop(benchmark, name):
    scenario = Registry().scenario(name)
    problem = scenario.problem(100.0)
    n = 128 if benchmark.enabled else LOOPED
    scenario.cases(0, 2, 100.0)

    start = perf_counter()
    looped = [one_case(scenario, problem, number) for number in range(LOOPED)]
    loop_seconds = (perf_counter() - start) / LOOPED
    start = perf_counter()
    cases = benchmark(scenario.cases, 0, n, 100.0)
    seconds = (benchmark.stats.stats.median if benchmark.stats else perf_counter() - start) / n

    benchmark.extra_info.update(cases_per_second=1 / seconds, loop_per_second=1 / loop_seconds)
    print(
        f"\n{name}: {1 / seconds:.0f} cases/s, loop {1 / loop_seconds:.0f} cases/s: {loop_seconds / seconds:.1f} times"
    )
    for number, (f, noisy) in enumerate(looped):
        np.testing.assert_allclose(cases.distributions[number, 0], f, atol=1e-12)
        np.testing.assert_allclose(cases.noisy[number, 0], noisy, atol=1e-10)
