"""The one interface that a method implements, and how the engine calls it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.errors import UserError
from dexsy_bench.problem import Floats, Problem


@dataclass(frozen=True, eq=False)
class Estimate:
    """What a method returns for N signals.

    Attributes
    ----------
    distributions : (N, D1, D2), or (N, T, D1, D2) from methods with joint mixing times
        Non-negative, each summing to 1.
    samples : (N, P, D1, D2), with joint mixing times (N, T, P, D1, D2), or None
        P equally likely distributions for each case, where the method has an uncertainty.
    diagnostics : dict of (N,) arrays
        One value a case. Known names: ``objective``, ``kkt`` (residual of the optimality
        conditions relative to the gradient scale), ``iterations``, ``converged``, ``alpha``,
        ``alpha_at_edge`` (chosen at an end of its range), ``sigma`` (noise SD the method
        estimated). Any other name becomes a column of its own.
    refused : dict of int to str
        Positions of cases that the method will not answer, such as one that did not converge, each with the reason.
        What the other fields hold for them is not looked at, but has to be a distribution.
    """

    distributions: NDArray[Any]
    samples: NDArray[Any] | None = None
    diagnostics: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    refused: Mapping[int, str] = field(default_factory=dict)


def in_chunks(invert: Callable[[NDArray[Any]], Estimate], signals: NDArray[Any], size: int) -> Estimate:
    """Estimates of at most ``size`` signals at a time, joined: what bounds the memory of a method."""
    parts = [invert(signals[start : start + size]) for start in range(0, len(signals), size)]
    return Estimate(
        np.concatenate([part.distributions for part in parts]),
        diagnostics={name: np.concatenate([part.diagnostics[name] for part in parts]) for name in parts[0].diagnostics},
    )


class Method(ABC):
    """An inversion.

    A subclass in a file of its own, ``NAME.py``, is all it takes; ``dexsy-bench new-method NAME``
    writes one to start from and ``dexsy-bench check NAME.py`` tries it against the contract.
    Its docstring is shown to users: what is minimised, the source, what the options mean.
    """

    name: ClassVar[str]
    """Also the name of its file."""

    family: ClassVar[Literal["reference", "classical", "learned", "peer"]] = "classical"
    """`reference` rows bound the others and are not ranked; a `peer` runs another package."""

    bound: ClassVar[Literal["", "floor", "limit"]] = ""
    """`floor`: it sees no signal; `limit`: no method can beat it. Between them lies what can be gained."""

    told: ClassVar[frozenset[str]] = frozenset()
    """What it is told beyond signal and acquisition: any of ``sigma`` and ``prior``."""

    joint_mixing_times: ClassVar[bool] = False
    """True: `invert` sees (N, T, B1, B2). False: each mixing time is inverted on its own."""

    variants: ClassVar[tuple[str, ...]] = ("",)
    """Options of the rows it takes by default, such as ``("", "order=0")``."""

    search_space: ClassVar[Mapping[str, Sequence[float]]] = {}
    """Options that `dexsy-bench tune` may set, each with its grid of values, ascending."""

    @dataclass(frozen=True)
    class Options:
        """Options with their defaults; a frozen dataclass, checked against its annotations."""

    options: Any
    """The `Options` of this instance."""

    def __init__(self, options: Any = None) -> None:
        self.options = self.Options() if options is None else options

    def supports(self, problem: Problem) -> str | None:
        """None, or the reason why this method declines the problem."""
        return None

    def prepare(self, problem: Problem) -> None:
        """Factorise, load weights: everything that does not need the signal. Timed apart."""
        self.problem = problem

    @abstractmethod
    def invert(self, signals: NDArray[Any]) -> Estimate:
        """Distributions of a batch of signals, (N, B1, B2) float64; S(0,0) = 1.

        Where the acquisition has a mask, points that were not sampled hold 0.
        """


class Wrapper(Method):
    """A method that runs another one, which its option ``method`` names as users type it.

    The registry that loads a wrapper gives it the class of what it wraps.
    """

    registry: ClassVar[Any]
    """The :class:`~dexsy_bench.registry.Registry` that other methods come from."""

    def supports(self, problem: Problem) -> str | None:
        """Whatever the wrapped method says; one that is told more than the signal cannot be wrapped."""
        selection = self.registry.select(self.options.method)
        method, options = self.registry.method(selection.name), self.registry.options_of(selection)
        if method.told:
            return f"{selection.label} is told {' and '.join(sorted(method.told))}, which {self.name} is not"
        reason = method(options).supports(problem)
        return None if reason is None else f"{selection.label}: {reason}"

    def prepare(self, problem: Problem) -> None:
        """Make the wrapped method ready, as ``self.wrapped``."""
        super().prepare(problem)
        selection = self.registry.select(self.options.method)
        self.wrapped = Inverter(self.registry.method(selection.name), self.registry.options_of(selection), problem)


class InvalidEstimate(UserError):
    """An estimate that breaks the contract; the message says how."""


class Unsupported(UserError):
    """Raised by a method, or for one, that declines a problem; the message is the reason."""


TUNED = "tuned"
"""The option value that stands for one found on validation draws; see :mod:`dexsy_bench.tuning`."""


class Inverter:
    """A method made ready for a problem: strips what it is not told, splits mixing times, validates.

    Parameters
    ----------
    method : type of Method
        The class.
    options : Method.Options
        Its options.
    problem : Problem
        Everything known; the method receives what it declares in ``told``.

    Raises
    ------
    Unsupported
        If the method declines.
    """

    def __init__(self, method: type[Method], options: Any, problem: Problem) -> None:
        waiting = [f.name for f in fields(options) if getattr(options, f.name) == TUNED]
        if waiting:
            raise Unsupported(f"no tuned {waiting[0]} is stored for it: run `dexsy-bench tune {method.name} SCENARIO`")
        self.problem = problem
        seen = problem.told(method.told)
        masks = problem.acquisition.mask
        apart = not method.joint_mixing_times and masks is not None and not (masks == masks[:1]).all()
        self._joint = method.joint_mixing_times
        problems = [seen]
        if apart:
            problems = [seen.at_mixing_time(t) for t in range(problem.acquisition.n_mixing)]
        elif not self._joint:
            problems = [seen.at_mixing_time(0)]
        self._ready: list[Method] = []
        for part in problems:
            instance = method(options)
            reason = instance.supports(part)
            if reason is not None:
                raise Unsupported(reason)
            instance.prepare(part)
            self._ready.append(instance)

    def __call__(self, signals: NDArray[Any]) -> Estimate:
        """Invert (N, T, B1, B2) signals into (N, T, D1, D2) distributions.

        Raises
        ------
        InvalidEstimate
            If the method returned something else than N finite, non-negative distributions of mass 1.
        """
        n, t = signals.shape[:2]
        if self._joint:
            estimate = self._ready[0].invert(signals.copy())
            return self._validated(estimate, (n, t))
        if len(self._ready) == 1:
            folded = self._ready[0].invert(signals.reshape(n * t, *signals.shape[2:]).copy())
            parts = [self._validated(folded, (n * t,))]
        else:
            parts = [self._validated(method.invert(signals[:, i].copy()), (n,)) for i, method in enumerate(self._ready)]
        return _unfold(parts, n, t)

    def _validated(self, estimate: Estimate, batch: tuple[int, ...]) -> Estimate:
        if not isinstance(estimate, Estimate):
            raise InvalidEstimate(f"invert returned a {type(estimate).__name__}, not an Estimate")
        grid = self.problem.grid.shape
        validate(estimate.distributions, (*batch, *grid))
        if estimate.samples is not None:
            draws = np.shape(estimate.samples)[len(batch) : len(batch) + 1]
            if draws == (0,):
                raise InvalidEstimate("samples are empty; where there are none, return None")
            validate(estimate.samples, (*batch, *draws, *grid), "samples")
        for name, values in estimate.diagnostics.items():
            if np.shape(values) != batch[:1]:
                raise InvalidEstimate(
                    f"diagnostic '{name}' has shape {np.shape(values)} where {batch[:1]} was expected"
                )
        if outside := [case for case in estimate.refused if not 0 <= case < batch[0]]:
            raise InvalidEstimate(f"refused names case {outside[0]} of {batch[0]}")
        return estimate


def validate(f: NDArray[Any], shape: tuple[int, ...], what: str = "distributions", tolerance: float = 1e-6) -> None:
    """Raise InvalidEstimate unless f has that shape, is finite, non-negative and of mass 1."""
    if not isinstance(f, np.ndarray):
        raise InvalidEstimate(f"{what} are a {type(f).__name__}, not a NumPy array")
    if f.dtype.kind not in "fiu":
        raise InvalidEstimate(f"{what} are of type {f.dtype}, not of real numbers")
    if f.shape != shape:
        raise InvalidEstimate(f"{what} have shape {f.shape} where {shape} was expected")
    if not np.isfinite(f).all():
        raise InvalidEstimate(f"{what} hold NaN or infinite values")
    if (f < 0).any():
        raise InvalidEstimate(f"{what} go negative, down to {f.min():.3g}")
    mass = f.sum(axis=(-1, -2), dtype=np.float64)
    worst = float(np.abs(mass - 1).max(initial=0.0))
    if worst > tolerance:
        raise InvalidEstimate(f"{what} do not sum to 1: off by up to {worst:.3g}")


def _unfold(parts: list[Estimate], n: int, t: int) -> Estimate:
    """Back to (N, T, ...): one folded estimate of N*T cases, or one of N cases for each mixing time."""

    def gather(arrays: list[NDArray[Any]]) -> NDArray[Any]:
        if len(arrays) == 1:
            return arrays[0].reshape(n, t, *arrays[0].shape[1:])
        return np.stack(arrays, axis=1)

    names = parts[0].diagnostics.keys()
    diagnostics = {name: worst_of(name, gather([np.asarray(p.diagnostics[name]) for p in parts])) for name in names}
    samples = [p.samples for p in parts if p.samples is not None]
    within = t if len(parts) == 1 else 1  # positions a case has in a part
    refused = {case // within: reason for part in parts for case, reason in part.refused.items()}
    return Estimate(
        distributions=gather([p.distributions for p in parts]),
        samples=gather(samples) if samples else None,
        diagnostics=diagnostics,
        refused=refused,
    )


def worst_of(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """One diagnostic a case from (N, T): the least converged, the mean alpha, the largest otherwise."""
    if values.shape[1] == 1:
        return values[:, 0]
    if name == "converged":
        return np.asarray(values.all(axis=1))
    if name in ("alpha", "sigma"):
        return np.asarray(np.exp(np.log(values).mean(axis=1)))
    return np.asarray(values.max(axis=1))


def normalised(f: NDArray[Any]) -> Floats:
    """Scale non-negative distributions (..., D1, D2) to sum 1; one without mass becomes uniform."""
    f = np.asarray(f, dtype=np.float64)
    mass = f.sum(axis=(-1, -2), keepdims=True)
    return np.asarray(np.where(mass > 0, f, 1.0) / np.where(mass > 0, mass, f.shape[-1] * f.shape[-2]))
