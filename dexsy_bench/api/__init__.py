"""The commands of `dexsy-bench` as functions: ``import dexsy_bench as db; rows = db.load_run(db.run("quick"))``.

They take what the options of the commands say and return data instead of printing it. Where a command reads a results
folder, its function takes the folder, or rows as :func:`load_run` returns them. Each is found in the package itself
(``db.table``); docs/python.md has an example of each.
"""

from dexsy_bench.api.data import generate, limits, score
from dexsy_bench.api.inverting import invert
from dexsy_bench.api.methods import check, doctor, list_, new_method, train, tune
from dexsy_bench.api.results import choosing, compare, load_run, merge, plot, ranks, report, table
from dexsy_bench.api.running import run

__all__ = [
    "check", "choosing", "compare", "doctor", "generate", "invert", "limits", "list_", "load_run", "merge",
    "new_method", "plot", "ranks", "report", "run", "score", "table", "train", "tune",
]  # fmt: skip
