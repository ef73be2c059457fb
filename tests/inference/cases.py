"""Small cases of the scenarios, and their exact posterior where a grid over the cube can give it."""

import numpy as np

from dexsy_bench.inference.model import FamilyModel
from dexsy_bench.inference.surrogate import Likelihood
from dexsy_bench.registry import Registry
from dexsy_bench.scenario import AcquisitionSection, GridSection

REGISTRY = Registry()


def small(name, n=12, **acquisition):
    """A scenario on 16 x 16 cells, with n x n data."""
    update = {"grid": GridSection(n=16), "acquisition": AcquisitionSection(n=n, **acquisition)}
    return REGISTRY.scenario(name).model_copy(update=update)


def likelihood_of(scenario, snr):
    """The likelihood of its cases."""
    problem = scenario.problem(snr)
    return Likelihood(FamilyModel(scenario.family, problem), problem.sigma)


def integrated(likelihood, x, u, around=1.0, reach=6.0, nodes=25):
    """Log likelihood (N,) at points of the cube, the amplitude integrated out on a grid."""
    amplitude = around + likelihood.sigma * np.linspace(-reach, reach, nodes)
    amplitude = amplitude[amplitude > 0]
    each = np.array([likelihood.exact(x, u, np.full((1, len(u)), a)) for a in amplitude])
    largest = each.max(axis=0)
    return largest + np.log(np.trapezoid(np.exp(each - largest), amplitude, axis=0))
