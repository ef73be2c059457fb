"""Hyper-parameters chosen on validation draws, the same budget for every method, and where they are kept.

An option whose value is ``tuned`` stands for the value that was best on validation cases of the scenario and SNR at
hand. Values are looked for in ``tuned/METHOD.toml`` below the current folder and then among those shipped with the
methods. Where a scenario was not tuned, the nearest SNR (in decades) of those that were serves: an experimenter who
knows the noise, but not the specimen, would do the same.
"""

from __future__ import annotations

import dataclasses
import math
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from dexsy_bench.errors import UserError
from dexsy_bench.method import TUNED, Inverter, Method, Wrapper, normalised
from dexsy_bench.problem import Floats
from dexsy_bench.registry import Registry, Selection
from dexsy_bench.scenario import Scenario

FOLDER = Path("tuned")
"""Where `dexsy-bench tune` writes, below the current folder."""

NOISELESS = 1e6
"""The SNR that stands for no noise when the nearest is looked for."""


class TuningError(UserError):
    """A tuned-value file that cannot be read, or nothing to tune."""


@dataclass(frozen=True)
class Entry:
    """The outcome of one tuning.

    Attributes
    ----------
    selection : str
        The label with its ``tuned`` options, such as ``tikhonov[order=0,alpha=tuned]``.
    scenario, snr : str, float
        The validation draws.
    values : dict
        Best value of each tuned option.
    metric, score : str, float
        What was minimised, and its mean at the best values.
    cases, evaluations : int
        The budget: validation cases, and values tried on all of them.
    at_edge : bool
        A best value lies at an end of its range: the range was too narrow.
    """

    selection: str
    scenario: str
    snr: float
    values: dict[str, float]
    metric: str
    score: float
    cases: int
    evaluations: int
    at_edge: bool


def tuned_options(selection: Selection, registry: Registry) -> list[str]:
    """Names of the options that are to be replaced by stored values."""
    options = registry.make_options(selection.name, dict(selection.given))
    return [f.name for f in dataclasses.fields(options) if getattr(options, f.name) == TUNED]


def resolve(
    selection: Selection, registry: Registry, scenario: str | None, snr: float
) -> tuple[tuple[tuple[str, Any], ...], str]:
    """Values for the ``tuned`` options of a selection, and how its hyper-parameters were chosen.

    Returns
    -------
    values : tuple of (option, value)
        Empty where nothing is stored: the method then declines.
    word : str
        ``tuned``; ``tuned elsewhere`` (at the nearest SNR of other scenarios, or levels); ``given`` (a number);
        ``data-driven`` (a rule that reads the signal); ``default``.
    """
    wanted = tuned_options(selection, registry)
    if not wanted:
        return (), _word(selection, registry)
    if math.isnan(snr):
        return (), TUNED
    entries = [entry for entry in stored(selection.name) if entry.selection == selection.label]
    exact = [entry for entry in entries if entry.scenario == scenario and entry.snr == snr]
    if not exact and entries:
        same = [entry for entry in entries if entry.scenario == scenario] or entries
        nearest = min(_distance(entry.snr, snr) for entry in same)
        exact, word = [entry for entry in same if _distance(entry.snr, snr) == nearest], "tuned elsewhere"
    else:
        word = TUNED
    if not exact:
        return (), TUNED
    return tuple((name, _geometric_mean([entry.values[name] for entry in exact])) for name in wanted), word


def _word(selection: Selection, registry: Registry) -> str:
    method = registry.method(selection.name)
    options = registry.options_of(selection)
    if issubclass(method, Wrapper):
        return _word(registry.select(options.method), registry)
    values = {name: getattr(options, name) for name in method.search_space}
    if any(isinstance(value, str) for value in values.values()):
        return "data-driven"
    return "given" if any(name in values for name, _ in selection.given) else "default"


def _distance(one: float, other: float) -> float:
    return abs(math.log10(min(one, NOISELESS)) - math.log10(min(other, NOISELESS)))


def _geometric_mean(values: Sequence[float]) -> float:
    return float(np.exp(np.log(values).mean())) if len(set(values)) > 1 else values[0]


# Search ------------------------------------------------------------------------------------


def tune(
    selection: Selection,
    registry: Registry,
    scenario: Scenario,
    snr: float,
    *,
    cases: int = 16,
    budget: int = 12,
    metric: str = "js",
    progress: Callable[[Mapping[str, float], float], None] = lambda values, score: None,
) -> Entry:
    """Search the method's grid for the values with the least mean score on validation cases.

    One option at a time: the middle of its grid and both neighbours half a grid away, then ever closer around the
    best, until neighbours on the grid have been tried or the budget is spent.

    Parameters
    ----------
    selection : Selection
        Its ``tuned`` options are searched; without any, all of the method's `search_space`.
    cases : int
        Validation cases number 0 to cases - 1.
    budget : int
        Values tried, over all options.
    metric : str
        Any of :data:`dexsy_bench.metrics.METRICS` of which less, or more, is better.
    progress : callable
        Told of every evaluation.

    Raises
    ------
    TuningError
        If the method has nothing to tune, or the metric no better end.
    Unsupported
        If the method declines the scenario.

    A case on which the method fails counts as a flat distribution.
    """
    selection = with_tuned(selection, registry)
    method = registry.method(selection.name)
    names = tuned_options(selection, registry)
    evaluate = _evaluator(method, selection, registry, scenario, snr, cases, metric)
    grids = {name: list(method.search_space[name]) for name in names}
    best = {name: grid[len(grid) // 2] for name, grid in grids.items()}
    tried: dict[tuple[float, ...], float] = {}

    def score(values: Mapping[str, float]) -> float:
        key = tuple(values[name] for name in names)
        if key not in tried:
            if len(tried) >= budget:
                return math.inf
            tried[key] = evaluate(values)
            progress(values, tried[key])
        return tried[key]

    for name in names:
        grid = grids[name]
        at, step = len(grid) // 2, max(1, len(grid) // 4)
        while step:
            around = [i for i in (at - step, at, at + step) if 0 <= i < len(grid)]
            nearer = min(around, key=lambda i: (score({**best, name: grid[i]}), i != at))
            step, at = (step // 2, at) if nearer == at else (step, nearer)
        best[name] = grid[at]
    if not math.isfinite(score(best)):
        raise TuningError(f"{metric} is not defined on all validation cases of {scenario.name} at SNR {snr:g}")
    return Entry(
        selection=selection.label,
        scenario=scenario.name,
        snr=snr,
        values={name: float(value) for name, value in best.items()},
        metric=metric,
        score=_signed(metric) * score(best),
        cases=cases,
        evaluations=len(tried),
        at_edge=any(best[name] in (grids[name][0], grids[name][-1]) for name in names),
    )


def with_tuned(selection: Selection, registry: Registry) -> Selection:
    """The selection with something to tune: its own ``tuned`` options, or all of the method's search space."""
    if tuned_options(selection, registry):
        return selection
    space = registry.method(selection.name).search_space
    if not space:
        raise TuningError(f"{selection.name} has nothing to tune: its search_space is empty")
    given = {**dict(selection.given), **dict.fromkeys(space, TUNED)}
    inner = ",".join(f"{name}={value}" for name, value in given.items())
    return registry.select(f"{selection.name}[{inner}]")


def _signed(metric: str) -> int:
    from dexsy_bench.metrics import METRICS

    if metric not in METRICS or METRICS[metric].target is not None:
        known = ", ".join(name for name, entry in METRICS.items() if entry.target is None)
        raise TuningError(f"cannot tune for '{metric}'; choose one of {known}")
    return 1 if METRICS[metric].better == "low" else -1


def _evaluator(
    method: type[Method],
    selection: Selection,
    registry: Registry,
    scenario: Scenario,
    snr: float,
    cases: int,
    metric: str,
) -> Callable[[Mapping[str, float]], float]:
    from dexsy_bench.metrics import score

    sign = _signed(metric)
    problem: Any = scenario.problem(snr)
    draws = scenario.cases(0, cases, snr, "validation")

    def evaluate(values: Mapping[str, float]) -> float:
        options = registry.make_options(selection.name, {**dict(selection.given), **values})
        f = _distributions(Inverter(method, options, problem), draws.noisy)
        mean = sign * float(np.mean(score(draws, f, problem, only=(metric,))[metric]))
        return math.inf if math.isnan(mean) else mean

    return evaluate


def _distributions(inverter: Inverter, signals: Floats) -> Floats:
    """The batch, or case by case where it fails; flat where a case does or is refused."""
    try:
        estimate = inverter(signals)
        f = np.array(estimate.distributions)
        f[list(estimate.refused)] = 1 / f[0, 0].size
        return f
    except Exception:
        if len(signals) > 1:
            return np.concatenate([_distributions(inverter, signals[i : i + 1]) for i in range(len(signals))])
        return normalised(np.zeros((*signals.shape[:2], *inverter.problem.grid.shape)))


# Storage -----------------------------------------------------------------------------------


def folders() -> list[Path]:
    """Where stored values are looked for: below the current folder, then among the methods."""
    package = import_module("dexsy_bench.methods")
    return [FOLDER, *(Path(folder) / "tuned" for folder in package.__path__)]


def stored(name: str) -> list[Entry]:
    """All entries of a method; those of the current folder replace shipped ones for the same case."""
    found: dict[tuple[str, str, float], Entry] = {}
    for folder in folders():
        for entry in read(folder / f"{name}.toml"):
            found.setdefault((entry.selection, entry.scenario, entry.snr), entry)
    return list(found.values())


def read(path: Path) -> list[Entry]:
    """Entries of one file; none where there is no such file."""
    if not path.exists():
        return []
    try:
        return TypeAdapter(list[Entry]).validate_python(tomllib.loads(path.read_text(encoding="utf-8"))["entry"])
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise TuningError(f"{path} cannot be read ({reason}); delete it and run `dexsy-bench tune` again") from error


def write(path: Path, entries: Iterable[Entry]) -> None:
    """Put entries into a file, in the place of older ones for the same selection, scenario and SNR."""
    import tomli_w

    merged = {(e.selection, e.scenario, e.snr): e for e in [*read(path), *entries]}
    ordered = [dataclasses.asdict(merged[key]) for key in sorted(merged)]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(tomli_w.dumps({"entry": ordered}), encoding="utf-8")
    temporary.replace(path)
