"""Solvers that methods share: compression, non-negative least squares, the choice of alpha."""
