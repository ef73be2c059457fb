"""What a training is asked for -- a method, a budget, cases, where to begin -- as a plan that can begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dexsy_bench.errors import UserError
from dexsy_bench.learning.method import LearnedMethod
from dexsy_bench.registry import Registry

if TYPE_CHECKING:
    from dexsy_bench.learning.plan import Plan, RunFolder
    from dexsy_bench.learning.stream import Stream
    from dexsy_bench.learning.validation import ValidationCell
    from dexsy_bench.learning.weights import Weights

CORE = "core"
"""The suite whose scenarios a network is trained on where none is named."""

VALIDATION_SNR = (30.0, 100.0, 300.0, 1000.0)
MINUTES = 60.0
"""The budget, where none is given."""


@dataclass(frozen=True, eq=False)
class Request:
    """A training that can begin, or go on.

    Attributes
    ----------
    label : str
        The method with the shape of its network.
    plan : Plan
    folder : RunFolder
    going_on : bool
        Whether the folder holds a training that was interrupted.
    """

    label: str
    plan: Plan
    folder: RunFolder
    going_on: bool


def request(
    method: str,
    *,
    minutes: float | None = None,
    cases: int | None = None,
    resume: Path | str | None = None,
    out: Path | str | None = None,
    scenarios: Sequence[str] = (),
    snr: tuple[float, float] = (10.0, 2000.0),
    data: Path | str | None = None,
    noisy: bool = True,
    descent: Mapping[str, Any] | None = None,
    machine: Mapping[str, Any] | None = None,
    validations: int = 10,
    validation_cases: int = 8,
    against: str | None = None,
    include: Sequence[Path | str] = (),
) -> Request:
    """What these options mean.

    Parameters
    ----------
    method : str
        A learned method and the shape of its network, as in ``resunet_xl[size=s]``.
    minutes, cases : float, int, optional
        The budget, in one of the two; MINUTES if neither is given.
    resume : Path, optional
        A folder of a training that was interrupted, or weights to begin from.
    out : Path, optional
        The folder; ``runs/METHOD`` if not given.
    scenarios : sequence of str
        To draw cases from; those of CORE if none is named.
    snr : (float, float)
        SNRs are log-uniform in this range.
    data : Path, optional
        A folder of cases to train on instead.
    noisy : bool
        Signals with noise.
    descent, machine : mapping
        Fields of :class:`~dexsy_bench.learning.training.Settings` and :class:`~dexsy_bench.learning.plan.Machine`.
    validations, validation_cases : int
        How often to validate, and with how many cases of each scenario and SNR.
    against : str, optional
        A method to compare with on the validation cases.
    include : sequence of Path

    Raises
    ------
    UserError
        If the method learns nothing, options contradict each other, or the cases do not suit it.
    """
    resume, out, data = (None if path is None else Path(path) for path in (resume, out, data))
    registry = Registry(include)
    selection = registry.select(method)
    chosen = registry.method(selection.name)
    if not issubclass(chosen, LearnedMethod):
        raise UserError(f"{selection.name} learns nothing: only methods of family `learned` are trained")
    if minutes is not None and cases is not None:
        raise UserError("--minutes and --cases are two budgets; give one")
    if data is not None and scenarios:
        raise UserError("--data brings its own cases; leave out --scenario")
    if resume is not None and resume.is_dir() and out is not None:
        raise UserError(f"--resume {resume} goes on in that folder; leave out --out")
    rival = None if against is None else registry.select(against)
    _need_lightning()
    from dexsy_bench.learning.baseline import Baseline
    from dexsy_bench.learning.plan import Machine, Plan, RunFolder
    from dexsy_bench.learning.training import Budget, Settings

    options = registry.make_options(selection.name, dict(selection.given))
    stream, cells = cases_of(registry, scenarios, snr, data, noisy, validation_cases)
    reason = chosen.unfit(stream.problem)
    if reason:
        raise UserError(f"{selection.label} cannot be trained on these cases: {reason}")
    start, going_on = start_of(chosen, options, resume)
    plan = Plan(
        method=chosen,
        options=options,
        stream=stream,
        cells=cells,
        settings=Settings(**(descent or {})),
        budget=Budget(cases, "cases") if cases is not None else Budget(minutes or MINUTES, "minutes"),
        machine=Machine(**(machine or {})),
        start=start,
        validations=validations,
        against=None if rival is None else Baseline(rival, registry),
    )
    folder = RunFolder(going_on or out or Path("runs") / selection.name)
    return Request(selection.label, plan, folder, going_on is not None)


def cases_of(
    registry: Registry, names: Sequence[str], snr: tuple[float, float], data: Path | None, noisy: bool, n: int
) -> tuple[Stream, list[ValidationCell]]:
    """What to train on, and what to validate with."""
    from dexsy_bench.learning.stream import FolderStream, ScenarioStream
    from dexsy_bench.learning.validation import ValidationCell

    if data is not None:
        stream = FolderStream(data, noisy, held=n)
        folder, held = stream.folder, stream.held
        cases = folder.cases(held.start, held.stop, folder.snr)
        return stream, [ValidationCell(folder.name, folder.snr, folder.known, cases)]
    scenarios = [registry.scenario(name) for name in names or registry.suite(CORE).scenarios]
    cells = [ValidationCell.of(scenario, level, n) for scenario in scenarios for level in VALIDATION_SNR]
    return ScenarioStream(tuple(scenarios), snr, noisy), cells


def start_of(method: type[LearnedMethod], options: Any, resume: Path | None) -> tuple[Weights | None, Path | None]:
    """The weights that the leg begins from, and the folder that it goes on in."""
    from dexsy_bench.learning.plan import RunFolder

    if resume is None:
        return None, None
    if resume.is_dir():
        return RunFolder(resume).start, resume
    if str(resume) != "shipped" and not resume.exists():
        raise UserError(f"--resume {resume}: neither a folder of a training nor a model card (NAME.toml) nor `shipped`")
    return method.weights(replace(options, weights=str(resume))), None


def _need_lightning() -> None:
    if find_spec("lightning") is None or find_spec("tensorboard") is None:
        raise UserError("training needs Lightning and TensorBoard: pip install 'dexsy-bench[train]'")
