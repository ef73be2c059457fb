"""Rows of several results folders in one table; what does not fit is refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dexsy_bench.errors import UserError
from dexsy_bench.store import load_manifest, load_rows

if TYPE_CHECKING:
    import pandas as pd

ABOUT = ("title", "why", "snr", "folder")
"""What a manifest tells of a scenario that does not define its cases; a folder has a digest besides."""


class MergeError(UserError):
    """Results that do not fit together; the message says why, and what to do."""


def check_definitions(runs: Sequence[Path]) -> None:
    """Raise MergeError where two folders mean different cases by the name of a scenario."""
    known: dict[str, tuple[Path, dict[str, Any]]] = {}
    for run in runs:
        manifest = load_manifest(run) if (run / "manifest.json").exists() else {}
        for name, fields in manifest.get("scenarios", {}).items():
            definition = {key: value for key, value in fields.items() if key not in ABOUT}
            first, other = known.setdefault(name, (run, definition))
            if other != definition:
                parts = sorted(key for key in {*definition, *other} if definition.get(key) != other.get(key))
                raise MergeError(
                    f"{run} was run with another definition of {name} than {first} (they differ in "
                    f"{', '.join(parts)}): leave one of them out, or run it again under another name"
                )


def join_rows(run: Path, own: pd.DataFrame, others: Sequence[Path]) -> pd.DataFrame:
    """The rows of a folder, as they are indexed, followed by those of others; a row that is there twice, once.

    Parameters
    ----------
    run : Path
    own : DataFrame
        Its rows, with labels.
    others : sequence of Path

    Raises
    ------
    MergeError
        If a scenario is defined differently, or a case has two results.
    """
    import pandas as pd

    from dexsy_bench.leaderboard import with_labels

    if not others:
        return own
    check_definitions([run, *others])
    parts = [own, *(with_labels(load_rows(folder)) for folder in others)]
    return once(pd.concat(parts, ignore_index=True), [run, *others])


def once(rows: pd.DataFrame, folders: Iterable[Path]) -> pd.DataFrame:
    """Each case of a label once; what was measured anew, such as times, may differ: the first counts."""
    from dexsy_bench.leaderboard import CASE_COLUMNS
    from dexsy_bench.metrics import METRICS

    case = ["label", *CASE_COLUMNS]
    rows = rows.drop_duplicates([*case, "status", *(name for name in METRICS if name in rows)])
    twice = rows[rows.duplicated(case)]
    if len(twice):
        first = twice.iloc[0]
        raise MergeError(
            f"{first['label']} has different results for case {first['case']} of {first['scenario']} at SNR "
            f"{first['snr']:g} in {', '.join(dict.fromkeys(map(str, folders)))}: leave one out"
        )
    return rows
