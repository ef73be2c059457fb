"""dexsy-bench: which inversion to use on DEXSY data, and how far to believe it."""

from pathlib import Path

__version__ = "0.1.0"

# An install maps methods/ and scenarios/ into this package; in a checkout that is not installed they lie beside it.
_ROOT = Path(__file__).parents[1]
if (_ROOT / "pyproject.toml").exists():
    __path__.append(str(_ROOT))
