"""dexsy-bench: which inversion to use on DEXSY data, and how far to believe it."""

__version__ = "0.1.0"
