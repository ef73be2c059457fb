"""What the page keeps of arrays is as exact as it says."""

import base64
import gzip

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dexsy_bench.physics import forward
from dexsy_bench.problem import Acquisition, Grid, Problem
from dexsy_bench.reporting.encoding import Predictions, packed, quantised, quantised_signal

SEEDS = st.integers(0, 10**6)


@given(SEEDS, st.floats(0.1, 40))
def test_distributions_are_off_by_less_than_the_page_says(seed, peakedness):
    f = np.random.default_rng(seed).random((1, 9, 7)) ** peakedness
    f /= f.sum()
    q, largest = quantised(f)
    kept = largest * (q / 255) ** 2
    assert q.dtype == np.uint8
    assert np.abs(kept - f).max() <= 0.004 * f.max()


@given(SEEDS)
def test_signals_are_kept_to_sixteen_bits_and_gaps_as_gaps(seed):
    rng = np.random.default_rng(seed)
    signal, measured = rng.random((1, 5, 6)) * 1.1, rng.random((1, 5, 6)) < 0.7
    measured[0, 0, 0] = True
    q, largest = quantised_signal(signal, measured)
    assert ((q == 65_535) == ~measured).all()
    kept = largest * q / 65_534
    assert np.abs(kept - signal)[measured].max() <= 1e-5 * largest


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_predicted_signals_are_those_of_the_kernels(seed):
    b = np.linspace(0, 10, 40)
    problem = Problem(Grid.log(0.01, 10, 48), Acquisition(b, b**1.1))
    f = np.random.default_rng(seed).random((2, 48, 48)) ** 8
    f /= f.sum(axis=(1, 2), keepdims=True)
    predictions = Predictions(problem)
    signals = predictions.u1 @ predictions(f).astype(float) @ predictions.u2.T
    np.testing.assert_allclose(signals, forward(f, problem.k1, problem.k2), atol=2e-6)


def test_arrays_come_back_in_order():
    arrays = [np.arange(3, dtype=np.float32), np.array([7, 65_535], dtype=np.uint16), np.array([1, 2], dtype=np.uint8)]
    content = gzip.decompress(base64.b64decode(packed(arrays)))
    assert np.frombuffer(content[:12], "<f4").tolist() == [0, 1, 2]
    assert np.frombuffer(content[12:16], "<u2").tolist() == [7, 65_535]
    assert content[16:] == b"\x01\x02"
    assert packed(arrays) == packed(arrays)
