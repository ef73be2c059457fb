"""Is everything here that a run needs? What `dexsy-bench doctor` looks at."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dexsy_bench.registry import Registry

Level = Literal["ok", "warn", "fail"]
GIB = 2**30


@dataclass(frozen=True)
class Check:
    """One line: how it stands, what was found, and how to mend it."""

    level: Level
    what: str
    found: str
    fix: str = ""


def examine(include: Iterable[Path] = ()) -> Iterator[Check]:
    """Versions, hardware, disk, methods and scenarios, and one case from end to end; each as it is found."""
    from dexsy_bench.registry import Registry

    registry = Registry(include)
    checks: tuple[Callable[[], Iterator[Check]], ...] = (
        packages,
        hardware,
        disk,
        lambda: plugins(registry),
        lambda: smoke(registry),
    )
    for check in checks:
        yield from check()


def packages() -> Iterator[Check]:
    """Python and the packages against what this version asks for and, in a checkout, against its pins."""
    from packaging.requirements import Requirement

    from dexsy_bench.machine import installed_version, pins, requirements

    found = ".".join(map(str, sys.version_info[:3]))
    enough = sys.version_info >= (3, 11)
    yield Check("ok" if enough else "fail", "Python", found, "" if enough else "install Python 3.11 or newer")
    pinned = pins()
    fine = 0
    for need in requirements():
        version = installed_version(need.name)
        pin = pinned.get(need.name, Requirement(need.name))
        if version is None:
            yield Check("fail", need.name, "not installed", f"python -m pip install '{need}'")
        elif not need.specifier.contains(version, prereleases=True):
            yield Check("fail", need.name, f"{version}, needs {need.specifier}", f"python -m pip install '{need}'")
        elif not pin.specifier.contains(version, prereleases=True):
            yield Check("warn", need.name, f"{version}, tested with {pin.specifier}", f"python -m pip install '{pin}'")
        else:
            fine += 1
    yield Check("ok", "packages", f"{fine} as required")


def hardware() -> Iterator[Check]:
    """Processor, memory, GPU and the threads of BLAS."""
    import psutil
    from threadpoolctl import threadpool_info

    from dexsy_bench.machine import cores, cpu_name, gpu_names, memory_share, total_memory

    count = cores()
    yield Check("ok", "CPU", f"{cpu_name()}, {count} cores: {count} workers of one thread each")
    load = psutil.getloadavg()[0]
    if load > 0.5 * count:
        yield Check("warn", "load", f"{load:.1f}: other processes are busy", "timings will be too long; wait")
    share = memory_share(count) / GIB
    memory = f"{total_memory() / GIB:.1f} GiB, {share:.1f} a worker"
    if psutil.virtual_memory().available < 2 * GIB:
        yield Check("warn", "memory", f"{memory}, but less than 2 GiB free", "close programs or use --jobs 1")
    else:
        yield Check("ok", "memory", memory)
    yield Check("ok", "GPU", "; ".join(gpu_names()) or "none found; no method here needs one")
    blas = sorted({f"{pool['internal_api']} {pool['version']}" for pool in threadpool_info()})
    yield Check("ok", "BLAS", f"{', '.join(blas) or 'unknown'}; one thread in each worker")


def disk() -> Iterator[Check]:
    """The current folder can be written and has room."""
    here = Path.cwd()
    try:
        with tempfile.TemporaryFile(dir=here):
            pass
    except OSError as error:
        yield Check("fail", "folder", f"{here} cannot be written: {error.strerror}", "cd elsewhere or use --out")
        return
    free = shutil.disk_usage(here).free / GIB
    if free < 1:
        yield Check("warn", "disk", f"{free:.2f} GiB free in {here}", "free some, or use --out on another disk")
    else:
        yield Check("ok", "disk", f"{free:.0f} GiB free in {here}")


def plugins(registry: Registry) -> Iterator[Check]:
    """Every method loads and every scenario can be read."""
    from dexsy_bench.errors import UserError

    kinds = (
        ("methods", registry.method_names, registry.variants),
        ("scenarios", registry.scenario_names, registry.scenario),
    )
    for kind, names, load in kinds:
        ready = 0
        for name in names:
            try:
                load(name)
                ready += 1
            except UserError as error:
                yield Check("fail", kind, str(error), "mend or remove that file")
        yield Check("ok", kind, f"{ready} ready")


def smoke(registry: Registry) -> Iterator[Check]:
    """One case through generator, worker process, scorer and store, by a method that loads, a reference if any."""
    from rich.console import Console

    from dexsy_bench.errors import UserError
    from dexsy_bench.jobs import Cell, plan
    from dexsy_bench.registry import Selection
    from dexsy_bench.runner import Settings, run
    from dexsy_bench.store import Store, load_rows

    def loads(name: str) -> bool:
        try:
            return bool(registry.variants(name))
        except UserError:
            return False

    try:
        scenario = registry.scenario(registry.scenario_names[0])
        method = min(filter(loads, registry.method_names), key=lambda name: registry.method(name).family != "reference")
        jobs = plan(registry, [Selection(method)], [Cell(scenario, scenario.snr[0], 0, 1)])
        with tempfile.TemporaryDirectory() as folder:
            with Store(Path(folder)) as store:
                run(jobs, store, Settings(workers=1, timeout=120), Console(quiet=True))
            row = load_rows(folder).iloc[0]
    except UserError as error:
        yield Check("fail", "end to end", str(error))
        return
    if row["status"] == "ok":
        yield Check("ok", "end to end", f"{jobs[0]}: one case inverted and scored, js {row['js']:.2f}")
    else:
        yield Check("fail", "end to end", f"{jobs[0]}: {row['status']} ({row['reason']})")
