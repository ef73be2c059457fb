"""pySpecData's two-dimensional inversion with automatic choice of alpha."""

import numpy as np

from dexsy_bench.numerics.peers import Peer


class PeerPyspecdata(Peer):
    """The package pyspecdata (Franck lab): order-0 Tikhonov, alpha by the rule of Butler, Reeds and Dawson.

    Minimises ``||K1 f K2^T - S||^2 + alpha ||f||^2`` over f >= 0 on the singular values above 1e-3 of the largest, with
    alpha chosen from the data (``nddata.nnls(..., l="BRD")``; Venkataramanan, Song, Hurlimann 2002). As its examples
    say, the signal is first divided by the SD of its noise, here estimated from what no distribution explains.
    """

    name = "peer_pyspecdata"
    package = "pyspecdata"
    project = "pyspecdata"
    needs_sigma = True

    def load(self):
        from pyspecdata import nddata

        acquisition, grid = self.problem.acquisition, self.problem.grid
        self.nddata = nddata
        self.encodings = ("b1", acquisition.b1), ("b2", acquisition.b2)
        self.values = ("log_d1", grid.log_d1), ("log_d2", grid.log_d2)

    def decay(self, encoding, log_value):
        return np.exp(-1 * encoding * 10 ** (self.power * log_value))

    def solve(self, signal, sigma):
        data = self.nddata((signal / sigma).ravel(), list(signal.shape), ["b1", "b2"])
        for name, axis in self.encodings:
            data.setaxis(name, axis.copy())
        values = tuple(self.nddata(axis.copy(), name) for name, axis in self.values)
        fit = data.nnls(("b1", "b2"), values, (self.decay, self.decay), l="BRD")
        return fit.data, {"alpha": float(fit.get_prop("opt_alpha"))}
