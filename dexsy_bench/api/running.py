"""Methods on cases, into a results folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from dexsy_bench.api.arguments import Folder, paths, several
from dexsy_bench.errors import UserError


def run(
    suite: str | None = None,
    *,
    scenarios: Sequence[str] = (),
    methods: Sequence[str] = (),
    snr: float | Sequence[float] = (),
    cases: int | None = None,
    out: Folder | None = None,
    jobs: int | None = None,
    timeout: float = 600.0,
    memory: float | None = None,
    cache: Literal["use", "ignore", "only"] = "use",
    keep_estimates: int = 0,
    include: Folder | Sequence[Folder] = (),
    data: Folder | None = None,
    show: bool = False,
) -> Path:
    """Run methods on numbered cases into a results folder, and go on where an earlier run stopped.

    Worker processes are started: a script has to call it below ``if __name__ == "__main__":``.

    Parameters
    ----------
    suite : str, optional
        A group of scenarios; `quick` where no scenarios are named either.
    scenarios, methods : sequence of str
        Methods as in ``tikhonov[order=0]``; none: the suite's, else all.
    snr : sequence of float
        inf: no noise; none: the suite's, else the scenarios'.
    cases : int, optional
        Of each scenario at each SNR; the suite's, else 16.
    out : Path, optional
        Results folder; ``results/SUITE`` or ``results/SCENARIO`` if not given.
    jobs : int, optional
        Worker processes; physical cores if not given.
    timeout : float
        Seconds that 16 cases of a method may take.
    memory : float, optional
        GiB that a worker may allocate; its share of 80 % of the machine if not given.
    cache : {'use', 'ignore', 'only'}
        Keep what is finished, compute all again, or compute nothing and raise UserError if something is missing.
    keep_estimates : int
        Of how many cases of each cell, the first ones, the distributions are stored.
    include : sequence of Path
        Methods and scenarios of your own.
    data : Path, optional
        A folder that brings the cases.
    show : bool
        Show what `dexsy-bench run` shows meanwhile.

    Returns
    -------
    Path
        The results folder.

    Raises
    ------
    UserError
        If a name is not known, options contradict each other, or the folder cannot be written.
    """
    from rich.console import Console

    from dexsy_bench import planning
    from dexsy_bench.machine import cores
    from dexsy_bench.registry import Registry
    from dexsy_bench.runner import Settings

    settings = Settings(
        cores() if jobs is None else jobs,
        timeout,
        None if memory is None else int(memory * 2**30),
        cache,
        keep_estimates,
    )
    asked = planning.request(
        Registry(paths(include)),
        suite,
        several(scenarios),
        several(methods),
        several(snr),
        cases,
        None if data is None else Path(data),
        _warn,
    )
    folder = Path("results") / asked.name if out is None else Path(out)
    labels = ", ".join(repr(selection.label) for selection in asked.selections)
    command = f"dexsy_bench.run: {asked.name}, methods {labels}"
    missing = asked.carry_out(folder, settings, Console(quiet=not show), command, _warn).missing
    if missing:
        names = list(dict.fromkeys(map(str, missing)))
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        raise UserError(f"missing in {folder}: {'; '.join(names[:4])}{more}; run without cache='only' to compute it")
    return folder


def _warn(text: str) -> None:
    print(text, file=sys.stderr)
