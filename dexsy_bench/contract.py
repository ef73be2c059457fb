"""What every method must satisfy, as checks that name what is wrong and how to mend it.

`dexsy-bench check` runs them on a method of anyone's, our tests on every built-in one. They are small
(three cases of 16 x 16, one of 64 x 64), so that a solver of seconds a case is checked in seconds.
"""

from __future__ import annotations

import dataclasses
import inspect
import pickle
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.errors import UserError
from dexsy_bench.problem import Acquisition, Grid, Problem
from dexsy_bench.registry import PluginError, Registry
from dexsy_bench.scenario import AcquisitionSection, GridSection, make_cases
from dexsy_bench.trial import SNR, Broken, Trial, blamed, scenario

BATCH_TOLERANCE = 1e-6
"""Largest change of f, relative to its maximum, that the company in a batch may make."""

MASS_TOLERANCE = 1e-6


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    Attributes
    ----------
    name : str
        What was checked.
    ok : bool or None
        None: not tried, because a check that it builds on did not pass.
    detail : str
        What was found.
    mend : str
        What to do about it; empty unless it failed.
    """

    name: str
    ok: bool | None
    detail: str = ""
    mend: str = ""


def check(registry: Registry, text: str, each: Callable[[CheckResult], None] = lambda _: None) -> list[CheckResult]:
    """Try a method against the contract.

    Parameters
    ----------
    registry : Registry
        That finds it.
    text : str
        ``NAME`` or ``NAME[option=value]``.
    each : callable
        Told each result as it comes.

    Returns
    -------
    list of CheckResult
        One for each of `CHECKS`, in order.

    Raises
    ------
    UserError
        If there is no such method or option.
    """
    trial = Trial(registry, text)
    passed: set[str] = set()
    results = []
    for name, needs, run in CHECKS:
        missing = [need for need in needs if need not in passed]
        if missing:
            result = CheckResult(name, None, f"not tried, as '{missing[0]}' did not pass")
        else:
            try:
                result = CheckResult(name, True, run(trial) or "")
                passed.add(name)
            except Broken as broken:
                result = CheckResult(name, False, broken.detail, broken.mend)
        results.append(result)
        each(result)
    return results


# The checks --------------------------------------------------------------------------------


def loads(trial: Trial) -> str:
    """Its file holds a Method of the same name."""
    try:
        method = trial.method
    except PluginError as error:
        raise Broken(
            str(error), "write a subclass of dexsy_bench.method.Method, with name = the stem of its file"
        ) from error
    if method.name != trial.name:
        raise Broken(f"it is called '{method.name}', but found as '{trial.name}'", "give both the same name")
    if inspect.isabstract(method):
        raise Broken("it has no invert", "write invert(self, signals) -> Estimate")
    return ""


def docstring(trial: Trial) -> None:
    """Users can read what is minimised."""
    if not (vars(trial.method).get("__doc__") or "").strip():
        raise Broken("the class has no docstring", "say what is minimised, the source, and what the options mean")


def declarations(trial: Trial) -> str:
    """Family, told, variants and search space name what exists."""
    method = trial.method
    families = ("reference", "classical", "learned", "peer")
    if method.family not in families:
        raise Broken(f"family is {method.family!r}", f"choose one of {', '.join(families)}")
    unknown = set(method.told) - {"sigma", "prior"}
    if unknown or not isinstance(method.told, frozenset):
        raise Broken(f"told is {method.told!r}", 'set a frozenset of "sigma", "prior", both or neither')
    try:
        variants = trial.registry.variants(trial.name)
        for option, values in method.search_space.items():
            for value in values:
                trial.registry.make_options(trial.name, {option: value})
    except (UserError, TypeError) as error:
        raise Broken(f"variants or search_space: {error}", "name options and values that Options takes") from error
    return ", ".join(variant.label for variant in variants)


def options(trial: Trial) -> str:
    """Options are a frozen dataclass with defaults that reach another process."""
    cls = trial.method.Options
    if not dataclasses.is_dataclass(cls) or not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise Broken("Options is not a frozen dataclass", "write @dataclass(frozen=True) above class Options")
    with blamed("Options()"):
        values = dataclasses.asdict(cls())
        if pickle.loads(pickle.dumps(values)) != values:
            raise Broken("options change when sent to another process", "use numbers, strings and tuples of them")
    return ", ".join(f"{name}={value}" for name, value in dataclasses.asdict(trial.options).items())


def canonical_supported(trial: Trial) -> None:
    """It takes 64 x 64, b 0 to 10 ms/µm²."""
    reason = trial.declines(scenario().problem(SNR))
    if reason:
        raise Broken(f"it declines the canonical problem: {reason}", "every method has to take 64 x 64, b 0 to 10")


def inverts(trial: Trial) -> str:
    """It returns an Estimate that holds a NumPy array of floats."""
    f = trial.estimate.distributions
    if not isinstance(f, np.ndarray) or f.dtype.kind != "f":
        what = f"an array of {f.dtype}" if isinstance(f, np.ndarray) else f"a {type(f).__name__}"
        raise Broken(f"distributions are {what}", "return a NumPy array of floats")
    n = trial.problem.grid.shape[0]
    return f"three cases on {n} x {n}"


def shape(trial: Trial) -> None:
    """One (D1, D2) distribution a signal."""
    wanted = (*trial.seen(trial.signals).shape[:-2], *trial.problem.grid.shape)
    if trial.estimate.distributions.shape != wanted:
        raise Broken(
            f"distributions have shape {trial.estimate.distributions.shape} where {wanted} was expected",
            "return one (D1, D2) distribution for each signal, in order",
        )


def finite(trial: Trial) -> None:
    """No NaN, no infinity."""
    if not np.isfinite(trial.estimate.distributions).all():
        raise Broken("distributions hold NaN or infinite values", "look for a division by 0 or an overflow")


def non_negative(trial: Trial) -> None:
    """No negative mass."""
    lowest = trial.estimate.distributions.min()
    if lowest < 0:
        raise Broken(
            f"distributions go down to {lowest:.3g}", "constrain f >= 0, or clip it before scaling it to mass 1"
        )


def mass(trial: Trial) -> None:
    """Each distribution sums to 1."""
    total = trial.estimate.distributions.sum(axis=(-1, -2), dtype=np.float64)
    worst = total.flat[np.abs(total - 1).argmax()]
    if abs(worst - 1) > MASS_TOLERANCE:
        raise Broken(f"a distribution sums to {worst:.6g}", "return Estimate(normalised(f)), from dexsy_bench.method")


def extras(trial: Trial) -> str:
    """Diagnostics are a number a case; posterior samples are distributions."""
    estimate = trial.estimate
    n = len(trial.signals)
    for name, values in estimate.diagnostics.items():
        array = np.asarray(values)
        if array.shape != (n,) or array.dtype.kind not in "fiub":
            raise Broken(
                f"diagnostic '{name}' is {array.dtype} of shape {array.shape}", f"give one number a case, ({n},)"
            )
    samples = estimate.samples
    if samples is not None:
        *batch, d1, d2 = estimate.distributions.shape
        if samples.ndim != len(batch) + 3 or (*samples.shape[: len(batch)], *samples.shape[-2:]) != (*batch, d1, d2):
            raise Broken(f"samples have shape {samples.shape}", "return (N, P, D1, D2), P samples for each case")
        if not (np.isfinite(samples).all() and (samples >= 0).all()):
            raise Broken("samples are not finite and non-negative", "samples are distributions too")
    return ", ".join(estimate.diagnostics)


def input_unchanged(trial: Trial) -> None:
    """Signals are as they were after `invert`."""
    given = trial.seen(trial.signals).copy()
    with blamed("invert"):
        trial.ready(trial.problem).invert(given)
    if not np.array_equal(given, trial.seen(trial.signals)):
        raise Broken("invert wrote into its signals", "work on a copy: signals = signals.copy()")


def global_random_state(trial: Trial) -> None:
    """No global random generator is drawn from or seeded."""
    instance = trial.ready(trial.problem)
    with _marked_random_state() as state:
        before = state()
        trial.apply(instance, trial.signals)
        after = state()
    if after != before:
        raise Broken(
            "it draws from a global random generator, or seeds it, so that results depend on what ran before",
            "draw from numpy.random.default_rng(0) (or a torch.Generator) made in prepare or invert",
        )


@contextmanager
def _marked_random_state() -> Iterator[Callable[[], list[bytes]]]:
    """Put the global generators in a state that no seed of the method's own leads to; give it back afterwards."""
    torch = sys.modules.get("torch")
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - the one that must be left alone
    torch_state = torch.get_rng_state() if torch else None

    def state() -> list[bytes]:
        ours = [repr(random.getstate()).encode(), pickle.dumps(np.random.get_state())]  # noqa: NPY002
        return ours + ([torch.get_rng_state().numpy().tobytes()] if torch else [])

    try:
        random.seed("dexsy-bench contract")
        np.random.seed(3_141_592_653)  # noqa: NPY002
        if torch:
            torch.manual_seed(3_141_592_653)
        yield state
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        if torch:
            torch.set_rng_state(torch_state)


def deterministic(trial: Trial) -> None:
    """The same signals give the same f, bit for bit: again, after other ones, from another instance."""
    instance = trial.ready(trial.problem)
    first = trial.apply(instance, trial.signals).distributions
    kept = np.array(first)
    again = np.array(trial.f(instance, trial.signals))
    trial.apply(instance, trial.signals[::-1])
    if not np.array_equal(first, kept):
        raise Broken("a result changed when invert was called again", "return a new array from each call")
    if not np.array_equal(again, kept):
        raise Broken(
            f"the same signals gave another f, by up to {_change(again, kept):.2g} of its maximum",
            "make the random generator in invert, with a fixed seed, and keep nothing between calls",
        )
    if not np.array_equal(trial.f(trial.ready(trial.problem), trial.signals), kept):
        raise Broken("a second instance gave another f", "make random numbers in prepare from a fixed seed")


def batch_size(trial: Trial) -> str:
    """A case alone, or in another order, gives the same f to `BATCH_TOLERANCE`."""
    instance = trial.ready(trial.problem)
    together = np.array(trial.f(instance, trial.signals))
    alone = [np.array(trial.f(instance, trial.signals[i : i + 1])) for i in range(len(together))]
    if any(f.shape != together[:1].shape for f in alone):
        raise Broken(f"a batch of one gave shape {alone[0].shape}", "keep the first axis, for one case too")
    worst = max(
        _change(np.concatenate(alone), together), _change(trial.f(instance, trial.signals[::-1])[::-1], together)
    )
    if worst > BATCH_TOLERANCE:
        raise Broken(
            f"f changes with the other cases in the batch, by up to {worst:.2g} of its maximum",
            "let every case stop by its own criterion, and take no mean, maximum or scale over the batch",
        )
    return f"f changes by {worst:.1g} of its maximum"


def _change(f: NDArray[Any], reference: NDArray[Any]) -> float:
    return float(np.abs(f - reference).max() / reference.max())


def constant_signal(trial: Trial) -> None:
    """A signal that does not decay gives something valid."""
    trial.valid(trial.problem, np.ones_like(trial.signals[:1]))


def noise_alone(trial: Trial) -> None:
    """A signal without any decay but that of S(0,0) gives something valid."""
    noise = np.abs(np.random.default_rng(0).standard_normal(trial.signals[:1].shape))
    noise[..., 0, 0] = 1.0
    trial.valid(trial.problem, noise)


def canonical_grid(trial: Trial) -> None:
    """One case at full size."""
    canonical = scenario()
    trial.valid(canonical.problem(SNR), np.asarray(canonical.cases(0, 1, SNR).noisy))


def other_axes(trial: Trial) -> str:
    """Axes that differ in length and range, uneven b: valid, or declined."""
    grid = Grid(np.geomspace(0.01, 10, 24), np.geomspace(0.02, 8, 36))
    problem = Problem(grid, Acquisition(np.linspace(0, 10, 20), 8 * np.linspace(0, 1, 28) ** 2), sigma=1 / SNR)
    family = trial.scenario.family
    rng = np.random.default_rng(1)
    uniforms, normals = rng.random((2, family.n_uniforms)), rng.standard_normal((2, 2, 1, 20, 28))
    cases = make_cases(family, problem, uniforms, normals, problem.sigma)
    return trial.copes(problem, cases.noisy)


def wide_grid(trial: Trial) -> str:
    """D 0.005 to 50 µm²/ms, b to 13: valid, or declined."""
    wide = scenario(GridSection(d=(0.005, 50.0), n=32), AcquisitionSection(b_max=13.04, n=32))
    return trial.copes(wide.problem(SNR), np.asarray(wide.cases(0, 1, SNR).noisy))


def mixing_times(trial: Trial) -> str:
    """Two mixing times: valid, or declined."""
    several = scenario(GridSection(n=16), AcquisitionSection(n=16, mixing_times=(0.01, 0.1)))
    return trial.copes(several.problem(SNR), np.asarray(several.cases(0, 2, SNR).noisy))


def sampling_mask(trial: Trial) -> str:
    """Half of the points: used as the mask says, or declined."""
    masked = scenario(trial.scenario.grid, trial.scenario.acquisition.model_copy(update={"sampled": 0.5}))
    problem, signals = masked.problem(SNR), np.asarray(masked.cases(0, 2, SNR).noisy)
    said = trial.copes(problem, signals)
    if said.startswith("declined"):
        return said
    f = trial.valid(problem, signals)
    ignored = np.array_equal(f, trial.valid(trial.problem, signals))
    if ignored and not np.array_equal(f[0], f[1]):
        raise Broken(
            "it takes points that were not sampled (they hold 0) for measured ones",
            "use problem.mask(); or decline, with a reason from supports where problem.mask() is not None",
        )
    return said


Check = tuple[str, Sequence[str], Callable[[Trial], str | None]]

_VALID = ("mass 1", "diagnostics and samples")

CHECKS: tuple[Check, ...] = (
    ("loads", (), loads),
    ("docstring", ("loads",), docstring),
    ("options", ("loads",), options),
    ("declarations", ("options",), declarations),
    ("takes the canonical problem", ("options",), canonical_supported),
    ("inverts", ("takes the canonical problem",), inverts),
    ("shape", ("inverts",), shape),
    ("finite", ("shape",), finite),
    ("non-negative", ("finite",), non_negative),
    ("mass 1", ("non-negative",), mass),
    ("diagnostics and samples", ("shape",), extras),
    ("input unchanged", ("inverts",), input_unchanged),
    ("global random state unchanged", ("inverts",), global_random_state),
    ("deterministic", ("finite", "global random state unchanged"), deterministic),
    ("independent of the batch", ("deterministic",), batch_size),
    ("constant signal", _VALID, constant_signal),
    ("noise alone", _VALID, noise_alone),
    ("64 x 64", _VALID, canonical_grid),
    ("unequal axes", _VALID, other_axes),
    ("wide grid", _VALID, wide_grid),
    ("several mixing times", _VALID, mixing_times),
    ("sampling mask", (*_VALID, "deterministic"), sampling_mask),
)
"""Name, names of the checks that have to pass first, function."""
