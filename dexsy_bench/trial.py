"""A method on trial: made ready, applied and blamed as the checks of the contract need it."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.method import Estimate, InvalidEstimate, Inverter, Method
from dexsy_bench.problem import Floats, Problem
from dexsy_bench.registry import PluginError, Registry
from dexsy_bench.scenario import AcquisitionSection, CompartmentSection, GridSection, Scenario

SNR = 100.0


def wanted(method: str, include: Iterable[Path] = ()) -> tuple[Registry, list[str]]:
    """Which selections are to be tried for a name, or the file of a method: all default variants, or the one named.

    Parameters
    ----------
    method : str
        ``NAME``, ``NAME[option=value]``, or the path of a file or package.
    include : iterable of Path
        Where methods are looked for besides the built-in ones.
    """
    paths = list(include)
    if method.endswith(".py") or "/" in method:
        path = Path(method).resolve()
        path = path.parent if path.name == "__init__.py" else path
        package = (path / "__init__.py").exists()  # found through the folder that it lies in
        paths.append(path.parent if package else path)
        method = path.stem
    registry = Registry(paths)
    try:
        return registry, [v.label for v in registry.variants(method)] if "[" not in method else [method]
    except (PluginError, TypeError):
        return registry, [method]  # the check itself says what is wrong


class Broken(Exception):
    """A check that failed: what was found, and how to mend it."""

    def __init__(self, detail: str, mend: str) -> None:
        super().__init__(detail)
        self.detail, self.mend = detail, mend


class Trial:
    """The method under test, with the problem and the signals that most checks try it on."""

    def __init__(self, registry: Registry, text: str) -> None:
        self.registry, self.text, self.name = registry, text, text.partition("[")[0].strip()

    @cached_property
    def method(self) -> type[Method]:
        """The class."""
        return self.registry.method(self.name)

    @cached_property
    def options(self) -> Any:
        """As selected; an option that asks for its `tuned` value gets the middle of its search space."""
        given = dict(self.registry.select(self.text).given)
        selected = self.registry.make_options(self.name, given)
        middle = {option: values[len(values) // 2] for option, values in self.method.search_space.items()}
        tuned = {option: value for option, value in middle.items() if getattr(selected, option) == "tuned"}
        return self.registry.make_options(self.name, given | tuned)

    @cached_property
    def scenario(self) -> Scenario:
        """Of 16 x 16 where the method takes that, of the canonical 64 x 64 otherwise."""
        small = scenario(GridSection(n=16), AcquisitionSection(n=16))
        return scenario() if self.declines(small.problem(SNR)) else small

    @cached_property
    def problem(self) -> Problem:
        """Of that scenario."""
        return self.scenario.problem(SNR)

    @cached_property
    def signals(self) -> Floats:
        """Of three of its cases, (3, 1, B1, B2)."""
        return np.asarray(self.scenario.cases(0, 3, SNR).noisy)

    @cached_property
    def estimate(self) -> Estimate:
        """What the method makes of them."""
        estimate = self.apply(self.ready(self.problem), self.signals)
        if not isinstance(estimate, Estimate):
            raise Broken(f"invert returned a {type(estimate).__name__}", "return Estimate(distributions)")
        return estimate

    def declines(self, problem: Problem) -> str | None:
        """None, or the reason."""
        with blamed("supports"):
            reason = self.method(self.options).supports(problem.told(self.method.told))
        if reason is not None and not (isinstance(reason, str) and reason.strip()):
            raise Broken(f"supports returned {reason!r}", "return None, or a sentence that says why it declines")
        return reason

    def ready(self, problem: Problem) -> Method:
        """An instance prepared for the problem."""
        with blamed("prepare"):
            instance = self.method(self.options)
            instance.prepare(problem.told(self.method.told))
        return instance

    def apply(self, instance: Method, signals: Floats) -> Any:
        """What it returns for (N, 1, B1, B2) signals."""
        with blamed("invert"):
            return instance.invert(self.seen(signals).copy())

    def f(self, instance: Method, signals: Floats) -> NDArray[Any]:
        """The distributions of :meth:`apply`."""
        return np.asarray(self.apply(instance, signals).distributions)

    def seen(self, signals: Floats) -> Floats:
        """(N, 1, B1, B2) signals as `invert` gets them."""
        return signals if self.method.joint_mixing_times else signals[:, 0]

    def valid(self, problem: Problem, signals: Floats) -> NDArray[Any]:
        """Distributions of (N, T, B1, B2) signals, called and validated as the engine does."""
        with blamed("prepare or invert"):
            try:
                return Inverter(self.method, self.options, problem)(signals).distributions
            except InvalidEstimate as error:
                raise Broken(str(error), "return finite, non-negative distributions of mass 1 here too") from error

    def copes(self, problem: Problem, signals: Floats) -> str:
        """Either declines with a reason or returns something valid."""
        reason = self.declines(problem)
        if reason:
            return f"declined: {reason}"
        self.valid(problem, signals)
        return "valid"


def scenario(grid: GridSection | None = None, acquisition: AcquisitionSection | None = None) -> Scenario:
    """Two exchanging compartments, canonical where nothing else is said."""
    return Scenario(
        name="contract",
        title="",
        why="",
        snr=(SNR,),
        compartments=(CompartmentSection(name="slow", d=(0.05, 0.3)), CompartmentSection(name="fast", d=(0.5, 2.5))),
        grid=grid or GridSection(),
        acquisition=acquisition or AcquisitionSection(),
    )


@contextmanager
def blamed(doing: str) -> Iterator[None]:
    """What the method's own code raises is a failed check that names the line."""
    try:
        yield
    except Broken:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}, line {last.lineno}"
        raise Broken(
            f"{doing} raised {type(error).__name__}: {error} ({where})",
            "mend that line, or decline such a problem in supports, with a reason",
        ) from error
