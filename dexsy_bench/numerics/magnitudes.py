"""Magnitude data: the modulus of a real signal with complex Gaussian noise follows the distribution of Rice.

Expectation-maximisation takes the phase that the modulus lost for the missing datum (Dempster, Laird, Rubin, J. R.
Stat. Soc. B 39, 1, 1977). Given a predicted signal, the expected part of the datum in phase with it takes the place of
the modulus, and the fit to that is one with Gaussian noise.
"""

from __future__ import annotations

import numpy as np

from dexsy_bench.problem import Floats


def in_phase(modulus: Floats, signal: Floats, sigma: Floats) -> Floats:
    """Expected part of the datum in phase with the signal, ``m I1(z) / I0(z)`` with ``z = m s / sigma^2``.

    Parameters
    ----------
    modulus : (N, B1, B2)
        What was measured, m.
    signal : (N, B1, B2)
        What is predicted, s, not negative.
    sigma : (N,)
        Noise SD in either channel.
    """
    from scipy.special import i0e, i1e

    z = modulus * signal / np.maximum(sigma**2, np.finfo(np.float64).tiny)[:, None, None]
    return np.asarray(modulus * i1e(z) / i0e(z))


def noise_sd(modulus: Floats, signal: Floats, datum: Floats, n_data: int) -> Floats:
    """Noise SD in either channel, (N,): mean over both and the n_data points sampled, all arguments 0 at others.

    The datum is the part in phase with the signal, as expected with the noise SD of the step before.
    """
    squares = np.maximum(modulus**2 - 2 * datum * signal + signal**2, 0.0)
    return np.asarray(np.sqrt(0.5 * squares.sum(axis=(1, 2)) / n_data))
