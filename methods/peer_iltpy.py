"""ILTpy's uniform-penalty inversion."""

from dataclasses import dataclass

from dexsy_bench.numerics.peers import Peer


class PeerIltpy(Peer):
    """The package ilt-py-lib (Forschungszentrum Juelich): uniform and zero-crossing penalties, without f >= 0.

    Solves ``(K^T K + Gamma) f = K^T S`` again and again, Gamma updated from curvature, slope and sign of the f before
    (Granwehr & Roberts, J. Chem. Theory Comput. 8, 3473, 2012), with the defaults of the package. As it
    asks, the signal comes in units of its noise, here estimated from what no distribution explains. The data are
    compressed to `singular_values` along each axis. f may be negative: what is below 0 is cut off, and `cut_off` is
    its share.
    """

    name = "peer_iltpy"
    package = "iltpy"
    project = "ilt-py-lib"
    needs_sigma = True

    @dataclass(frozen=True)
    class Options:
        singular_values: int = 15

        def __post_init__(self):
            if self.singular_values < 1:
                raise ValueError("singular_values must be at least 1")

    def load(self):
        import iltpy

        self.ilt = iltpy

    def solve(self, signal, sigma):
        acquisition, grid = self.problem.acquisition, self.problem.grid
        kernel = self.ilt.Diffusion if self.power == 1 else self.ilt.Exponential
        fit = self.ilt.iltload(data=signal / sigma, t=[acquisition.b1.copy(), acquisition.b2.copy()])
        # 8 is its way of solving for two dimensions; the solution is the same.
        kept = [min(self.options.singular_values, *sizes) for sizes in zip(signal.shape, grid.shape, strict=True)]
        fit.init(
            tau=[grid.d1.copy(), grid.d2.copy()],
            kernel=[kernel(), kernel()],
            parameters={"compress": [True, True], "s": kept, "alt_g": 8},
        )
        fit.invert(verbose=0)
        changes = [change for change in fit.convergence if change is not None]
        return fit.g, {"iterations": float(len(changes)), "converged": float(changes[-1] < fit.conv_limit)}
