"""Methods that misbehave, and a small scenario to try them on: written to a folder for ``--include``."""

import textwrap
from pathlib import Path

SCENARIO = """
title = "Small enough that nothing but the runner takes time"
why = "For tests."
snr = [50]
[grid]
n = 16
[acquisition]
n = 16
[[compartments]]
name = "a"
d = [0.03, 0.3]
[[compartments]]
name = "b"
d = [0.5, 2.5]
"""

HEAD = """
import ctypes, os, signal, subprocess, sys, time
from dataclasses import dataclass
import numpy as np
from dexsy_bench.method import Estimate, Method, Unsupported

SECOND_JOB = 2  # cases in the second of two jobs: 18 = 16 + 2

def flat(problem, n):
    d1, d2 = problem.grid.shape
    return np.full((n, d1, d2), 1 / (d1 * d2))
"""

BODIES = {
    # Well behaved: reports what it saw, so that tests can compare the data of runs.
    "fingerprint": """
        seen = signals.sum(axis=(1, 2)) + signals[:, 3, 5]
        return Estimate(flat(self.problem, n), diagnostics={"objective": seen, "seen_corner": signals[:, -1, -1]})
    """,
    "slow": """
        time.sleep(0.05 * n)
        return Estimate(flat(self.problem, n), diagnostics={"objective": signals.sum(axis=(1, 2))})
    """,
    # Bad for some cases only.
    "raises": """
        if (signals.sum(axis=(1, 2)) > THRESHOLD).any():
            raise RuntimeError("no solution\\nfound")
        return Estimate(flat(self.problem, n))
    """,
    "nan": """
        f = flat(self.problem, n)
        f[signals.sum(axis=(1, 2)) > THRESHOLD] = np.nan
        return Estimate(f)
    """,
    # Bad always.
    "shape": "return Estimate(flat(self.problem, n)[:, 1:])",
    "negative": """
        f = flat(self.problem, n)
        f[:, 0, 0] -= 0.5
        f[:, 1, 1] += 0.5
        return Estimate(f)
    """,
    "leaves": "sys.exit(3)",
    "shadows": "return Estimate(flat(self.problem, n), diagnostics={'kl': np.zeros(n)})",
    "misreports": "return Estimate(flat(self.problem, n), diagnostics={'alpha': np.zeros(n + 1)})",
    # Bad for the second job only.
    "hangs": """
        if n == SECOND_JOB:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
            child = subprocess.Popen(["sleep", "600"])
            with open(CHILD, "w") as file:
                file.write(str(child.pid))
            ctypes.PyDLL(None).sleep(600)  # in C, holding the interpreter's lock
        return Estimate(flat(self.problem, n))
    """,
    "eats": """
        if n == SECOND_JOB:
            kept = [np.zeros(8_000_000) for _ in range(1000)]  # asked for, never touched: quick on a busy machine
        return Estimate(flat(self.problem, n))
    """,
    "aborts": """
        if n == SECOND_JOB:
            os.abort()
        return Estimate(flat(self.problem, n))
    """,
    "exits": """
        if n == SECOND_JOB:
            os._exit(0)
        return Estimate(flat(self.problem, n))
    """,
    "killed": """
        if n == SECOND_JOB:
            os.kill(os.getpid(), signal.SIGKILL)
        return Estimate(flat(self.problem, n))
    """,
    "declines": "raise AssertionError('not reached')",
    "unready": "raise AssertionError('not reached')",
}

EXTRA = {
    "declines": "def supports(self, problem): return 'not on Mondays'",
    "unready": "def prepare(self, problem): raise Unsupported('no weights')",
}


def write(folder: Path, threshold: float = float("inf")) -> Path:
    """Write ``tiny.toml`` and all methods; `raises` and `nan` fail on signals whose sum is above the threshold."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.toml").write_text(SCENARIO)
    for name, body in BODIES.items():
        source = HEAD + f"THRESHOLD = {threshold!r}\nCHILD = {str(folder / 'child.pid')!r}\n"
        source = source.replace("float('inf')", "np.inf").replace("= inf", "= np.inf")
        source += f"class Faulty(Method):\n    name = {name!r}\n"
        source += textwrap.indent(EXTRA.get(name, ""), "    ") + "\n"
        source += "    def invert(self, signals):\n        n = len(signals)\n"
        source += textwrap.indent(textwrap.dedent(body), "        ") + "\n"
        (folder / f"{name}.py").write_text(source)
    return folder
