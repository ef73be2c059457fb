"""dexsy-bench: which inversion to use on DEXSY data, and how far to believe it.

Every command is a function here, such as :func:`dexsy_bench.run <dexsy_bench.api.run>`; see :mod:`dexsy_bench.api`.
"""

from pathlib import Path
from typing import Any

__version__ = "0.1.0"

# An install maps methods/ and scenarios/ into this package; in a checkout that is not installed they lie beside it.
_ROOT = Path(__file__).parents[1]
if (_ROOT / "pyproject.toml").exists():
    __path__.append(str(_ROOT))

_API = (
    "check", "choosing", "compare", "doctor", "generate", "invert", "limits", "list", "load_run", "merge",
    "new_method", "plot", "ranks", "report", "run", "score", "table", "train", "tune",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    """The functions of :mod:`dexsy_bench.api`, which is imported when one is asked for: the command line stays fast."""
    if name not in _API:
        raise AttributeError(f"module 'dexsy_bench' has no attribute '{name}'")
    from dexsy_bench import api

    return getattr(api, "list_" if name == "list" else name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_API})
