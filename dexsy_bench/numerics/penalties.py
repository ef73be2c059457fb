"""Convex penalties of a distribution f (D1, D2), each one expression of cvxpy.

All are sums over cells of the grid as it is, whatever the spacing of its D.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def l1(f: Any) -> Any:
    """Sum of f, which is not negative."""
    import cvxpy as cp

    return cp.sum(f)


def ridge(f: Any) -> Any:
    """Half the squared norm: Tikhonov of order 0."""
    import cvxpy as cp

    return cp.sum_squares(f) / 2


def roughness(f: Any) -> Any:
    """Half the squared second differences along both axes, f being 0 outside the grid: Tikhonov of order 2."""
    import cvxpy as cp

    down, right = (np.array([np.convolve(row, [1.0, -2.0, 1.0]) for row in np.eye(n)]).T for n in f.shape)
    return (cp.sum_squares(down @ f) + cp.sum_squares(f @ right.T)) / 2


def tv(f: Any) -> Any:
    """Isotropic total variation: the differences with the cells below and to the right, 0 at the edge."""
    import cvxpy as cp

    # cvxpy leaves out differences along the last row and column, and with them the corner: repeated, they count.
    f = cp.vstack([f, f[-1:, :]])
    return cp.tv(cp.hstack([f, f[:, -1:]]))


def entropy(f: Any) -> Any:
    """Negative entropy against a flat model m: ``sum(f log(f / m) - f + m)``."""
    import cvxpy as cp

    x = f * f.size
    return 1.0 - cp.sum(cp.entr(x) + x) / f.size


def rows(f: Any) -> Any:
    """Sum of the norms of the rows: few values of D1 in use (group lasso)."""
    import cvxpy as cp

    return cp.sum(cp.norm(f, 2, axis=1))


PENALTIES: dict[str, Callable[[Any], Any]] = {p.__name__: p for p in (l1, ridge, roughness, tv, entropy, rows)}
