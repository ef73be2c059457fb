"""What is given to the functions, as the engine takes it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

Folder = Path | str


def several(values: Any) -> tuple[Any, ...]:
    """All of them, where several may be meant: a text, a number or a path alone is one."""
    if values is None:
        return ()
    alone = isinstance(values, str) or not isinstance(values, Iterable)
    return (values,) if alone else tuple(values)


def paths(values: Any) -> tuple[Path, ...]:
    """The same of files and folders."""
    return tuple(Path(value) for value in several(values))
