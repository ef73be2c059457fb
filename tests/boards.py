"""Rows made by hand, for tests of leaderboards and of how they are written."""

import numpy as np
import pandas as pd

METRICS = ("js", "topk", "residual")


def row(method, case, js=np.nan, *, options="", snr=100.0, scenario="two", status="ok", family="classical", **more):
    measured = {"js": js, "topk": 1 - js, "residual": 1 + js} if status == "ok" else {}
    return {
        "method": method,
        "options": options,
        "family": family,
        "told": "prior" if family == "reference" else "",
        "tuning": "given" if options else "default",
        "scenario": scenario,
        "snr": snr,
        "case": case,
        "status": status,
        "reason": "" if status == "ok" else "because",
        "js": np.nan,
        "topk": np.nan,
        "residual": np.nan,
        "seconds": 0.5 if status == "ok" else np.nan,
        "seconds_alone": 2.0 if case == 0 else np.nan,
    } | measured | more  # fmt: skip


def hand_made():
    """One cell, four cases: `good` complete, `lucky` better but without its hard case, a reference, one all failed."""
    return pd.DataFrame(
        [
            *[row("good", i, js) for i, js in enumerate([0.1, 0.2, 0.3, 0.4])],
            *[row("good", i, js, options="order=0") for i, js in enumerate([0.2, 0.3, 0.4, 0.5])],
            *[row("lucky", i, js) for i, js in enumerate([0.05, 0.06, 0.07])],
            row("lucky", 3, status="timeout"),
            *[row("known", i, 0.01, family="reference") for i in range(4)],
            *[row("broken", i, status=s) for i, s in enumerate(["error", "oom", "invalid", "unsupported"])],
        ]
    )
