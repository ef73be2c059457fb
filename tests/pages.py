"""A small results folder and the page of it: what tests of reports share."""

import base64
import gzip
import re

from faults import SCENARIO
from typer.testing import CliRunner

from dexsy_bench.cli import app

SHY = """
import numpy as np
from dexsy_bench.method import Estimate, Method

class Shy(Method):
    name = "shy"

    def invert(self, signals):
        if len(signals) > 1 or signals[0, 0, 5] < 0.4:
            raise RuntimeError("not <b>this</b> one")
        d1, d2 = self.problem.grid.shape
        return Estimate(np.full((len(signals), d1, d2), 1 / (d1 * d2)))
"""
METHODS = ("nnls", "tikhonov[order=0]", "prior_mean", "shy")


def call(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def write_inputs(folder):
    for name in ("first", "second"):
        (folder / f"{name}.toml").write_text(SCENARIO.replace("snr = [50]", "snr = [50, 200]"), encoding="utf-8")
    (folder / "shy.py").write_text(SHY, encoding="utf-8")


def packed(html, name):
    """What a script element of packed data holds, as text."""
    found = re.search(rf'id="{name}">([^<]*)</script>', html)
    return gzip.decompress(base64.b64decode(found.group(1))).decode()
