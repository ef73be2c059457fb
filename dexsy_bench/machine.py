"""The machine: what a run was made on, memory, and the threads that workers may use."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dexsy_bench

if TYPE_CHECKING:
    from packaging.requirements import Requirement

WORKER_ENVIRONMENT = {
    # One thread a worker, so that timings compare: a small solve was seen 60 times slower with two
    # BLAS threads beside another busy process.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "BLIS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    # POT imports every array library it finds, seconds and hundreds of MB, for arrays that we never pass.
    "POT_BACKEND_DISABLE_PYTORCH": "1",
    "POT_BACKEND_DISABLE_TENSORFLOW": "1",
    "POT_BACKEND_DISABLE_JAX": "1",
    "POT_BACKEND_DISABLE_CUPY": "1",
    # The order of sets must not change a result; what a method prints must be in the log when it crashes.
    "PYTHONHASHSEED": "0",
    "PYTHONUNBUFFERED": "1",
}
"""Environment in which worker processes start: thread pools read it when their libraries are loaded."""


@contextmanager
def worker_environment() -> Iterator[None]:
    """Set `WORKER_ENVIRONMENT` for processes started in the body."""
    before = {name: os.environ.get(name) for name in WORKER_ENVIRONMENT}
    os.environ.update(WORKER_ENVIRONMENT)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


# Memory and cores --------------------------------------------------------------------------


def forget_peak_memory() -> None:
    """Start a new measurement of `peak_memory_mb`, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb() -> float:
    """Largest resident memory of this process since `forget_peak_memory`, or since its start, in MB (1e6 bytes)."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/self/status").read_text().splitlines()
        kibibytes = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
        return int(kibibytes) * 1024 / 1e6
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset / 1e6)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def cores() -> int:
    """Physical cores that this process may use."""
    import psutil

    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def total_memory() -> int:
    """Bytes of memory that this process may use, the limit of a container included."""
    import psutil

    total: int = psutil.virtual_memory().total
    with contextlib.suppress(OSError, ValueError):
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total


def memory_share(workers: int) -> int:
    """Bytes that each of so many workers may allocate, leaving a fifth of the machine to others."""
    return max(int(0.8 * total_memory() / workers), 2**30)


# Description -------------------------------------------------------------------------------


def describe() -> dict[str, Any]:
    """What the manifest records of the machine."""
    import psutil
    from threadpoolctl import threadpool_info

    return {
        "cpu": cpu_name(),
        "cores": cores(),
        "memory_gib": round(total_memory() / 2**30, 1),
        "gpu": gpu_names(),
        "blas": sorted({f"{pool['internal_api']} {pool['version']}" for pool in threadpool_info()}),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": installed_packages(),
        "threads_per_worker": 1,
        "load": [round(load, 2) for load in psutil.getloadavg()],
    }


def cpu_name() -> str:
    """Model of the processor."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()


def gpu_names() -> list[str]:
    """Models of NVIDIA GPUs, from the driver's own tool; empty where there is none."""
    return _output("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader").splitlines()


def revision() -> str | None:
    """Git revision of the checkout that this package runs from, ``+`` if changed; None when installed."""
    root = Path(dexsy_bench.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    head = _output("git", "-C", str(root), "rev-parse", "HEAD").strip()
    changed = _output("git", "-C", str(root), "status", "--porcelain", "--untracked-files=no").strip()
    return (head + ("+" if changed else "")) or None


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


@cache
def requirements() -> tuple[Requirement, ...]:
    """What this package needs to run."""
    from packaging.requirements import Requirement

    needed = [Requirement(text) for text in requires("dexsy-bench") or []]
    return tuple(need for need in needed if need.marker is None or need.marker.evaluate({"extra": ""}))


def pins() -> dict[str, Requirement]:
    """The versions that a checkout is tested with, from its constraints.txt; none when installed."""
    from packaging.requirements import Requirement

    file = Path(dexsy_bench.__file__).resolve().parent.parent / "constraints.txt"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    pinned = [Requirement(line) for line in (line.partition("#")[0].strip() for line in lines) if line]
    return {pin.name: pin for pin in pinned}


def installed_packages() -> dict[str, str | None]:
    """Version of each required package."""
    return {name: installed_version(name) for name in ("dexsy-bench", *(need.name for need in requirements()))}


def installed_version(package: str) -> str | None:
    """Version of a package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
