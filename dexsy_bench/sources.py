"""The files that a method is made of, beyond its own: those of shared rooms that it imports, however indirectly."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

ROOMS = ("dexsy_bench.numerics", "dexsy_bench.inference", "dexsy_bench.methods")
"""Where methods keep what they share. The rest of the engine counts for every method alike."""


def shared(paths: Iterable[Path]) -> list[Path]:
    """Files of the shared rooms that these Python files (or those in these folders) import, sorted.

    Importing one module of a room says nothing of its neighbours, so that a new solver leaves the rows of methods
    that do not use it as they are.
    """
    found: set[Path] = set()
    waiting = [file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])]
    while waiting:
        file = waiting.pop()
        if file.suffix == ".py":
            new = {module for name in _imported(file) if (module := _file_of(name))} - found
            found |= new
            waiting += new
    return sorted(found)


def _imported(file: Path) -> Iterator[str]:
    """Names of modules, or of things in them, that a file imports absolutely."""
    try:
        tree = ast.parse(file.read_bytes())
    except SyntaxError:  # it cannot be imported either
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file_of(name: str) -> Path | None:
    """The file of a module in a shared room; None for anything else."""
    if not name.startswith(tuple(f"{room}." for room in ROOMS)):
        return None
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:  # a function of a module
        return None
    return Path(spec.origin) if spec is not None and spec.origin else None
