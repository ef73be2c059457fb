"""The convex programs: cvx_l1, cvx_tv, cvx_entropy, cvx with any of its penalties, and one of your own."""

import re
from pathlib import Path

import numpy as np
import pytest
from references import differences, kernel, noisy_signals, small_problem
from scipy.optimize import minimize_scalar

from dexsy_bench.contract import check
from dexsy_bench.method import Inverter, Unsupported
from dexsy_bench.numerics import convex, penalties
from dexsy_bench.registry import Registry, UnknownName

REGISTRY = Registry()
WEIGHT = 0.01


def l1(f):
    return f.sum()


def tv(f):
    """Isotropic, of differences with the cells below and to the right, 0 at the edge."""
    return np.hypot(np.diff(f, axis=0, append=f[-1:]), np.diff(f, axis=1, append=f[:, -1:])).sum()


def entropy(f):
    m = 1 / f.size
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(f > 0, f * np.log(f / m) - f + m, m).sum()


PENALTIES = {"cvx_l1": l1, "cvx_tv": tv, "cvx_entropy": entropy}
NAMED = {
    "l1": l1,
    "tv": tv,
    "entropy": entropy,
    "ridge": lambda f: 0.5 * (f**2).sum(),
    "roughness": lambda f: 0.5 * ((differences(f.shape, 2) @ f.ravel()) ** 2).sum(),
    "rows": lambda f: np.sqrt((f**2).sum(axis=1)).sum(),
}
methods = pytest.mark.parametrize("name", PENALTIES)
sampling = pytest.mark.parametrize("sampled", [1.0, 0.5], ids=["all", "masked"])


def ready(cls, problem, **options):
    return Inverter(cls, cls.Options(**{"weight": WEIGHT, **options}), problem)


def data(sampled):
    problem = small_problem((10, 9), (16, 14), sampled)
    return problem, noisy_signals(problem, 3, sigma=0.02)


def measured(problem, signals):
    return signals.reshape(len(signals), -1) if problem.mask() is None else signals[:, problem.mask()]


@methods
@sampling
def test_no_other_distribution_is_better(name, sampled, monkeypatch):
    """The objective, recomputed from the raw signal with the full kernel, is that reported, and least there."""
    monkeypatch.setattr(convex, "COMPRESSION_RTOL", 1e-8)
    problem, signals = data(sampled)
    estimate = ready(REGISTRY.method(name), problem)(signals[:, None])
    assert estimate.diagnostics["converged"].all()
    k, rng = kernel(problem), np.random.default_rng(0)
    for n, s in enumerate(measured(problem, signals)):

        def objective(f, s=s):
            return 0.5 * np.sum((k @ f.ravel() - s) ** 2) + WEIGHT * PENALTIES[name](f)

        shape = estimate.distributions[n, 0]
        size = minimize_scalar(lambda c, f=shape: objective(c * f), bounds=(0.1, 3), method="bounded").x
        best, reported = size * shape, estimate.diagnostics["objective"][n]
        np.testing.assert_allclose(reported, objective(best), rtol=1e-5)
        others = [np.maximum(best + step * rng.standard_normal(best.shape), 0) for step in (1e-4, 1e-3, 1e-2)]
        others += [best * np.exp(step * rng.standard_normal(best.shape)) for step in (1e-2, 0.1)]
        others += [0.99 * best + 0.01 * spike.reshape(best.shape) for spike in np.eye(best.size)[::7]]
        others += [0.99 * best + 0.01 / best.size, 0.99 * best, 1.01 * best]
        assert min(map(objective, others)) > objective(best) - 1e-7 * reported


@methods
def test_the_compression_costs_little(name, monkeypatch):
    """At SNR 50: the objective is reported within a thousandth."""
    problem, signals = data(1.0)
    usual = ready(REGISTRY.method(name), problem)(signals[:, None])
    monkeypatch.setattr(convex, "COMPRESSION_RTOL", 1e-8)
    exact = ready(REGISTRY.method(name), problem)(signals[:, None])
    np.testing.assert_allclose(usual.diagnostics["objective"], exact.diagnostics["objective"], rtol=1e-3)


@methods
def test_the_program_is_compiled_once(name, monkeypatch):
    import cvxpy as cp

    compiled = []
    construct = cp.Problem._construct_chain

    def counted(self, *given, **more):
        compiled.append(self)
        return construct(self, *given, **more)

    monkeypatch.setattr(cp.Problem, "_construct_chain", counted)
    problem, signals = data(1.0)
    inverter = ready(REGISTRY.method(name), problem)
    program = inverter._ready[0].program
    assert program.is_dpp()
    inverter(signals[:1, None])
    compact = program._cache.param_prog
    assert compact is not None
    assert len(compiled) == 1
    inverter(signals[:, None])
    assert program._cache.param_prog is compact
    assert len(compiled) == 1


@methods
def test_a_case_does_not_depend_on_the_one_before(name):
    problem, signals = data(1.0)
    inverter = ready(REGISTRY.method(name), problem)
    forwards, backwards = inverter(signals[:, None]), inverter(signals[::-1, None])
    np.testing.assert_array_equal(backwards.distributions[::-1], forwards.distributions)


@methods
def test_a_larger_weight_fits_worse(name):
    problem, signals = data(1.0)
    residuals = []
    for weight in (1e-4, 1e-2, 1.0):
        f = ready(REGISTRY.method(name), problem, weight=weight)(signals[:, None]).distributions[:, 0]
        prediction = f.reshape(3, -1) @ kernel(problem).T
        size = (prediction * signals.reshape(3, -1)).sum(axis=1) / (prediction**2).sum(axis=1)
        residuals.append(((size[:, None] * prediction - signals.reshape(3, -1)) ** 2).sum(axis=1))
    assert (np.diff(residuals, axis=0) > 0).all()


class Quadratic(convex.ConvexFit):
    """Order-0 Tikhonov, as a convex program."""

    name = "quadratic"

    def penalty(self, f):
        import cvxpy as cp

        return 0.5 * cp.sum_squares(f)


@sampling
@pytest.mark.parametrize("alpha", [0.01, 1.0])
def test_a_quadratic_penalty_is_tikhonov(sampled, alpha, monkeypatch):
    monkeypatch.setattr(convex, "COMPRESSION_RTOL", 1e-7)
    problem, signals = data(sampled)
    ours = ready(Quadratic, problem, weight=alpha)(signals[:, None])
    tikhonov = REGISTRY.method("tikhonov")
    theirs = Inverter(tikhonov, tikhonov.Options(order=0, alpha=alpha), problem)(signals[:, None])
    np.testing.assert_allclose(ours.diagnostics["objective"], theirs.diagnostics["objective"], rtol=1e-6)
    np.testing.assert_allclose(ours.distributions, theirs.distributions, atol=1e-4)


@pytest.mark.parametrize("name", ["cvx_tv", "cvx_entropy"])
def test_without_data_the_estimate_is_flat(name):
    """A weight that drowns the data leaves what the penalty likes best; no cell escapes it."""
    problem, signals = data(1.0)
    f = ready(REGISTRY.method(name), problem, weight=1e3)(signals[:, None]).distributions
    np.testing.assert_allclose(f, 1 / f[0].size, rtol=0.05)


def test_an_unknown_solver_is_declined():
    with pytest.raises(Unsupported, match=r"cvxpy has no solver NOPE; installed: .*CLARABEL"):
        ready(REGISTRY.method("cvx_l1"), data(1.0)[0], solver="NOPE")


def test_another_solver_finds_the_same():
    import cvxpy as cp

    other = next((s for s in ("SCS", "OSQP", "ECOS", "HIGHS") if s in cp.installed_solvers()), None)
    if other is None:
        pytest.skip("Clarabel is the only solver installed")
    problem, signals = data(1.0)
    ours, theirs = (ready(REGISTRY.method("cvx_l1"), problem, solver=s)(signals[:, None]) for s in ("CLARABEL", other))
    np.testing.assert_allclose(ours.diagnostics["objective"], theirs.diagnostics["objective"], rtol=1e-2)


def test_every_penalty_is_known_here():
    assert NAMED.keys() == penalties.PENALTIES.keys()


@pytest.mark.parametrize("name", NAMED)
def test_a_penalty_is_what_its_name_says(name):
    import cvxpy as cp

    f = np.random.default_rng(0).random((6, 5))
    variable = cp.Variable(f.shape)
    variable.value = f
    expression = penalties.PENALTIES[name](variable)
    assert expression.is_convex()
    np.testing.assert_allclose(expression.value, NAMED[name](f), rtol=1e-10)


@pytest.mark.parametrize("name", NAMED)
def test_a_penalty_is_chosen_by_name(name):
    """The objective that is reported is that of the distribution, with that penalty."""
    problem, signals = data(1.0)
    estimate = ready(REGISTRY.method("cvx"), problem, penalty=name)(signals[:2, None])
    assert estimate.diagnostics["converged"].all()
    k = kernel(problem)
    for f, s, reported in zip(estimate.distributions[:, 0], signals, estimate.diagnostics["objective"], strict=False):

        def objective(size, f=f, s=s):
            return 0.5 * np.sum((size * k @ f.ravel() - s.ravel()) ** 2) + WEIGHT * NAMED[name](size * f)

        least = minimize_scalar(objective, bounds=(0.1, 3), method="bounded").fun
        np.testing.assert_allclose(reported, least, rtol=2e-3)  # what the compression costs


@pytest.mark.parametrize("name", ["l1", "tv", "entropy"])
def test_rows_of_their_own_are_the_same_programs(name):
    problem, signals = data(1.0)
    ours = ready(REGISTRY.method("cvx"), problem, penalty=name)(signals[:2, None]).diagnostics
    theirs = ready(REGISTRY.method(f"cvx_{name}"), problem)(signals[:2, None]).diagnostics
    np.testing.assert_allclose(ours["objective"], theirs["objective"], rtol=1e-6)


def test_an_unknown_penalty_is_refused():
    with pytest.raises(UnknownName, match="penalty='nope'"):
        REGISTRY.make_options("cvx", {"penalty": "nope"})


def test_the_example_of_the_documentation_keeps_the_contract(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "methods" / "cvx.md").read_text("utf-8")
    name, source = re.search(r"`(\w+)\.py`:\n\n```python\n(.*?)```", page, re.DOTALL).groups()
    file = tmp_path / f"{name}.py"
    file.write_text(source, "utf-8")
    results = check(Registry([file]), f"{name}[weight=0.001]")
    assert [f"{r.name}: {r.detail}" for r in results if not r.ok] == []
