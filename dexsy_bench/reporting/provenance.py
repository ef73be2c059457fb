"""How the numbers came about: commands, machines, versions, weights, scenarios."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from dexsy_bench.registry import Registry


def history(manifest: Mapping[str, Any]) -> list[dict[str, str]]:
    """The commands that made the run, oldest first."""
    return [
        {
            "when": entry.get("when", ""), "command": entry.get("command", ""),
            "revision": str(entry.get("revision") or "")[:12], "machine": _machine(entry.get("machine", {})),
        }
        for entry in manifest.get("history", [])
    ]  # fmt: skip


def _machine(machine: Mapping[str, Any]) -> str:
    parts = [
        machine.get("cpu"),
        f"{machine['cores']} cores" if "cores" in machine else None,
        f"{machine['memory_gib']:g} GiB" if "memory_gib" in machine else None,
        *machine.get("gpu", []),
        *machine.get("blas", []),
        machine.get("system"),
        f"Python {machine['python']}" if "python" in machine else None,
        f"{machine['threads_per_worker']} thread a worker" if "threads_per_worker" in machine else None,
    ]
    return ", ".join(str(part) for part in parts if part)


def packages(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Versions of the packages, all those that were in use where the commands did not have the same."""
    found: dict[str, list[str]] = {}
    for entry in manifest.get("history", []):
        for name, version in entry.get("machine", {}).get("packages", {}).items():
            if version not in found.setdefault(name, []):
                found[name].append(version)
    return {name: ", ".join(versions) for name, versions in found.items()}


def scenarios(manifest: Mapping[str, Any]) -> list[dict[str, str]]:
    """Name, title, reason and whole definition of each scenario."""
    return [
        {
            "name": name, "title": definition.get("title", ""), "why": " ".join(definition.get("why", "").split()),
            "definition": json.dumps(definition, indent=1, ensure_ascii=False),
        }
        for name, definition in manifest.get("scenarios", {}).items()
    ]  # fmt: skip


def weights(rows: pd.DataFrame, registry: Registry) -> list[dict[str, str]]:
    """The weights that the methods of the run ship: files with their SHA-256, and what they were trained on."""
    from dexsy_bench.errors import UserError
    from dexsy_bench.learning.method import LearnedMethod

    found = []
    for name in sorted(set(rows["method"])):
        try:
            method = registry.method(name)
        except UserError:  # rows of another program, or of a plugin that is not here
            continue
        if not issubclass(method, LearnedMethod):
            continue
        for shipped in method.shipped():
            card = shipped.card
            shape = ", ".join(f"{key}={value}" for key, value in card.options.items())
            legs = [
                f"{leg.cases:,} cases, {leg.seconds / 60:.0f} min on {leg.hardware}, {leg.date}" for leg in card.legs
            ]
            about = {"method": f"{name}[{shape}]", "parameters": f"{card.parameters:,}", "trained": "; ".join(legs)}
            found += [about | {"file": file, "sha256": digest} for file, digest in card.files.items()]
    return found
