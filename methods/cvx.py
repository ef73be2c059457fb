"""Any convex penalty through cvxpy."""

from dataclasses import dataclass
from typing import Literal

from dexsy_bench.numerics import convex
from dexsy_bench.numerics.penalties import PENALTIES


class Cvx(convex.ConvexFit):
    """A penalty of your choice: a readable reference, exact and slow.

    Minimises ``1/2 ||K1 f K2^T - S||^2 + weight * penalty(f)`` over f >= 0, with `penalty` one of

    - `roughness`: half the squared second differences (Tikhonov of order 2), `ridge`: half the squares
      (order 0), `entropy`: against a flat model, `l1`: sum of f, `tv`: isotropic total variation,
    - `rows`: sum of the norms of the rows, for few values of D1 (Yuan & Lin, J. R. Stat. Soc. B 68, 49,
      2006).

    Each is a line of cvxpy in dexsy_bench/numerics/penalties.py; docs/methods/cvx.md shows how to add
    one. `weight` is a number or ``tuned``, `solver` any that cvxpy finds installed.
    """

    name = "cvx"
    variants = ()

    @dataclass(frozen=True)
    class Options(convex.ConvexFit.Options):
        penalty: Literal[tuple(PENALTIES)] = "roughness"

    def penalty(self, f):
        return PENALTIES[self.options.penalty](f)
