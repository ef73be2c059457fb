"""Adapters to other packages: what they hand over and take back, with the packages themselves and with stand-ins."""

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from references import noisy_signals, small_problem

from dexsy_bench.method import Inverter, Unsupported
from dexsy_bench.metrics import score
from dexsy_bench.numerics import peers
from dexsy_bench.numerics.compression import noise_sd
from dexsy_bench.problem import Grid
from dexsy_bench.registry import Registry
from dexsy_bench.scenario import AcquisitionSection, GridSection

REGISTRY = Registry()
PEERS = {
    "peer_pyspecdata": ("pyspecdata", {}),
    "peer_flint": ("flintpy", {"alpha": 0.1}),
    "peer_iltpy": ("iltpy", {"singular_values": 8}),
    "peer_mrinversion": ("mrinversion", {"lambdas": 4}),
}


def ready(name, problem, **options):
    cls = REGISTRY.method(name)
    return Inverter(cls, cls.Options(**options), problem)


@pytest.fixture
def stand_in(monkeypatch):
    """Puts a module in the place of a package, with what it holds."""

    def put(name, **contents):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return put


@pytest.mark.parametrize("name", PEERS)
def test_one_that_is_not_installed_says_how_to_install_it(name, monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda package: None)
    with pytest.raises(Unsupported, match=r"is not installed: pip install 'dexsy-bench\[peers\]'"):
        ready(name, small_problem(), **PEERS[name][1])


@pytest.mark.parametrize("name", PEERS)
def test_it_is_a_row_of_its_own_family(name):
    assert REGISTRY.method(name).family == "peer"
    assert [variant.label for variant in REGISTRY.variants(name)] == [name]


@pytest.mark.parametrize("name", PEERS)
def test_masks_are_declined(name, stand_in):
    stand_in(PEERS[name][0])
    with pytest.raises(Unsupported, match="sampled everywhere"):
        ready(name, small_problem(sampled=0.5), **PEERS[name][1])


@pytest.mark.parametrize("name", ["peer_pyspecdata", "peer_iltpy", "peer_mrinversion"])
def test_noise_that_cannot_be_estimated_is_declined(name, stand_in):
    stand_in(PEERS[name][0])
    with pytest.raises(Unsupported, match="to estimate the noise"):
        ready(name, small_problem((10, 10), (3, 3)), **PEERS[name][1])


def test_pyspecdata_is_told_signals_in_units_of_their_noise(stand_in):
    told = []

    class NDData:
        def __init__(self, data, *more):
            self.data, self.axes = data, {}

        def setaxis(self, name, axis):
            self.axes[name] = axis

        def nnls(self, names, values, kernels, l):  # noqa: E741
            told.append(
                (
                    self,
                    values,
                    [
                        kernel(self.axes[n][:, None], v.data)
                        for n, v, kernel in zip(names, values, kernels, strict=True)
                    ],
                )
            )
            f = np.full((10, 8), -1.0)
            f[2, 3] = 3.0
            return SimpleNamespace(data=f, get_prop={"opt_alpha": 0.25}.get)

    stand_in("pyspecdata", nddata=NDData)
    problem = small_problem()
    signals = noisy_signals(problem, 2)
    estimate = ready("peer_pyspecdata", problem)(signals[:, None])
    sigma = noise_sd(problem, signals)
    for signal, sd, (data, values, kernels) in zip(signals, sigma, told, strict=True):
        np.testing.assert_allclose(data.data, signal.ravel() / sd)
        np.testing.assert_allclose(values[0].data, problem.grid.log_d1)
        np.testing.assert_allclose(kernels[0], problem.k1)
        np.testing.assert_allclose(kernels[1], problem.k2)
    expected = np.zeros((10, 8))
    expected[2, 3] = 1.0
    np.testing.assert_array_equal(estimate.distributions[1, 0], expected)
    np.testing.assert_allclose(estimate.diagnostics["alpha"], 0.25)
    np.testing.assert_allclose(estimate.diagnostics["sigma"], sigma)
    np.testing.assert_allclose(estimate.diagnostics["cut_off"], 79 / 82)


def test_flint_makes_the_same_kernel(stand_in):
    made = []

    class Flint:
        def __init__(self, data, shape, kernel, alpha, one, two):
            axes = [np.geomspace(*ends, n) for ends, n in zip((one, two), shape, strict=True)]
            made.append([np.exp(-np.outer(t, 1 / axis)) for t, axis in zip(data[1:], axes, strict=True)])
            self.ss, self.kernel, self.alpha = np.ones(shape), kernel, alpha

        def solve_flint(self):
            assert (self.kernel, self.alpha) == ("T2T2", 0.3)
            self.resida = np.array([1.0, np.nan, 0.5, np.nan])

    signal = SimpleNamespace(load_from_data=lambda *given: given)
    stand_in("flintpy")
    stand_in("flintpy.flintpy", Flint=Flint, FlintSignal=signal)
    problem = small_problem()
    estimate = ready("peer_flint", problem, alpha=0.3)(noisy_signals(problem, 1)[:, None])
    np.testing.assert_allclose(made[0][0], problem.k1)
    np.testing.assert_allclose(made[0][1], problem.k2)
    np.testing.assert_allclose(estimate.distributions, 1 / 80)
    assert estimate.diagnostics["iterations"] == 2


def test_flint_declines_axes_that_it_cannot_make(stand_in):
    from dataclasses import replace

    stand_in("flintpy")
    problem = small_problem()
    uneven = replace(problem, grid=Grid(np.linspace(0.1, 2, 10), problem.grid.d2))
    with pytest.raises(Unsupported, match="log-spaced"):
        ready("peer_flint", uneven, alpha=0.3)


def test_what_a_peer_prints_is_dropped(capfd):
    import os

    with peers.quiet():
        print("chatter")
        os.write(1, b"from compiled code")
    print("heard")
    assert capfd.readouterr().out == "heard\n"


@pytest.mark.parametrize("name", PEERS)
def test_the_package_itself(name):
    """Where it is installed: valid, on axes of different length, and better than a flat guess."""
    package, options = PEERS[name]
    pytest.importorskip(package)
    scenario = REGISTRY.scenario("two_compartment").model_copy(
        update={"grid": GridSection(n=12), "acquisition": AcquisitionSection(n=20)}
    )
    problem, cases = scenario.problem(100.0), scenario.cases(0, 2, 100.0, "validation")
    found = ready(name, problem, **options)(cases.noisy)
    assert np.isfinite(found.distributions).all()
    np.testing.assert_allclose(found.distributions.sum(axis=(2, 3)), 1.0)
    flat = np.full_like(found.distributions, 1 / 144)
    js = score(cases, found.distributions, problem, only=("js",))["js"]
    assert (js < score(cases, flat, problem, only=("js",))["js"]).all()
