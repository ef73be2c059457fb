"""Methods: found, checked, tuned, trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dexsy_bench.api.arguments import Folder, paths, several
from dexsy_bench.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

    from dexsy_bench.learning.trainer import Report
    from dexsy_bench.learning.weights import Weights


def list_(
    what: Literal["methods", "scenarios", "suites", "metrics"] = "methods", include: Folder | Sequence[Folder] = ()
) -> pd.DataFrame:
    """What there is, a row each: methods, scenarios, suites or metrics. It is ``dexsy_bench.list``."""
    import pandas as pd

    from dexsy_bench.catalogue import KINDS
    from dexsy_bench.registry import Registry

    if what not in KINDS:
        raise UserError(f"no list of '{what}'; there are: {', '.join(KINDS)}")
    return pd.DataFrame(KINDS[what](Registry(paths(include))))


def new_method(name: str, out: Folder = ".") -> Path:
    """Write NAME.py, a working method to start from: :func:`dexsy_bench.scaffold.write_template`."""
    from dexsy_bench.registry import Registry
    from dexsy_bench.scaffold import write_template

    return write_template(name, Path(out), Registry().method_names)


def check(method: Folder, include: Folder | Sequence[Folder] = ()) -> pd.DataFrame:
    """Try a method, by name or file, against what every method must satisfy.

    Returns
    -------
    DataFrame
        A row a check: ``label``, ``name``, ``ok`` (None: does not apply), ``detail`` and how to ``mend`` it.
    """
    import pandas as pd
    from threadpoolctl import threadpool_limits

    from dexsy_bench import contract
    from dexsy_bench.trial import wanted

    registry, labels = wanted(str(method), paths(include))
    with threadpool_limits(1):
        results = [(label, result) for label in labels for result in contract.check(registry, label)]
    return pd.DataFrame([{"label": label, **asdict(result)} for label, result in results])


def doctor(include: Folder | Sequence[Folder] = ()) -> pd.DataFrame:
    """Whether everything is here that a run needs: a row a finding, with ``level`` (ok, warn, fail) and its ``fix``."""
    import pandas as pd

    from dexsy_bench.health import examine

    return pd.DataFrame([asdict(line) for line in examine(paths(include))])


def tune(
    method: str,
    scenarios: Sequence[str],
    *,
    snr: float | Sequence[float] = (),
    cases: int = 16,
    budget: int = 12,
    metric: str = "js",
    jobs: int | None = None,
    out: Folder = "tuned",
    include: Folder | Sequence[Folder] = (),
) -> pd.DataFrame:
    """Choose hyper-parameters on validation cases, and store them where `run` finds them: ``tuned/METHOD.toml``.

    Worker processes are started: a script has to call it below ``if __name__ == "__main__":``.

    Returns
    -------
    DataFrame
        A row a scenario and SNR, in the order of the cells: the fields of :class:`dexsy_bench.tuning.Entry`.
    """
    import pandas as pd

    from dexsy_bench.tuning_run import entries, search

    for name, number in (("cases", cases), ("budget", budget), ("jobs", jobs)):
        if number is not None and number < 1:
            raise UserError(f"--{name} {number}: must be 1 at least")
    what = search(method, several(scenarios), several(snr), Path(out), paths(include))
    found = {(entry.scenario, entry.snr): asdict(entry) for entry in entries(what, cases, budget, metric, jobs)}
    return pd.DataFrame([found[cell] for cell in what.cells])


def train(
    method: str,
    *,
    minutes: float | None = None,
    cases: int | None = None,
    out: Folder | None = None,
    resume: Folder | None = None,
    data: Folder | None = None,
    descent: Mapping[str, Any] | None = None,
    machine: Mapping[str, Any] | None = None,
    watch: Callable[[Report], None] = lambda report: None,
    **options: Any,
) -> Weights:
    """Train the network of a learned method, and return its weights with their model card.

    Parameters
    ----------
    method : str
        As in ``resunet_xl[size=s]``.
    minutes, cases : float, int, optional
        The budget; 60 minutes if neither is given.
    out : Path, optional
        Folder of the training; ``runs/METHOD`` if not given.
    resume : Path, optional
        A training that was interrupted, or weights to begin from.
    data : Path, optional
        A folder of cases to train on.
    descent, machine : mapping
        Fields of :class:`dexsy_bench.learning.training.Settings` and :class:`dexsy_bench.learning.plan.Machine`.
    watch : callable
        Gets a :class:`dexsy_bench.learning.trainer.Report` now and then.
    **options
        Of :func:`dexsy_bench.learning.request.request`.
    """
    from dexsy_bench.learning.request import request

    asked = request(
        method,
        minutes=minutes,
        cases=cases,
        out=out,
        resume=resume,
        data=data,
        descent=descent,
        machine=machine,
        **options,
    )
    from dexsy_bench.learning.trainer import train as run_training

    return run_training(asked.plan, asked.folder, watch, resume=asked.going_on)
