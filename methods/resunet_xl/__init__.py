"""ResUNet-XL: a residual attention U-Net trained on generated cases."""

from dataclasses import dataclass
from typing import Any, Literal

from dexsy_bench.learning.method import LearnedMethod
from dexsy_bench.problem import Problem

WIDTHS = {"xl": (64, 512), "m": (32, 512), "s": (16, 256)}
"""Width at full resolution, and at most."""


class ResUNetXL(LearnedMethod):
    """A residual U-Net with channel attention and attention gates, trained on the core scenarios.

    It learned the posterior mean of f over two- and three-compartment models at SNR 10 to 2000:
    within that prior it sees what no classical method can, outside it it may answer confidently
    and wrongly. Compare its residual, and see the stress suite.

    Options: ``size`` of the network (xl 34, m 21, s 5.3 million weights); ``inputs``: `signal`, the
    signal with the axes as channels, or `inverses`, those and five linear inverses of the signal;
    ``weights``: `shipped`, or the path of a model card that `dexsy-bench train` wrote.
    """

    name = "resunet_xl"

    @dataclass(frozen=True)
    class Options(LearnedMethod.Options):
        size: Literal["xl", "m", "s"] = "xl"
        inputs: Literal["signal", "inverses"] = "signal"

    @classmethod
    def unfit(cls, problem: Problem) -> str | None:
        shape = problem.grid.shape
        if shape != problem.acquisition.signal_shape[1:] or shape[0] % 32 or shape[1] % 32:
            return "needs as many b as D on each axis, a multiple of 32"
        return None

    @classmethod
    def network(cls, options: Any, problem: Problem) -> Any:
        from dexsy_bench.methods.resunet_xl.network import ResUNet
        from dexsy_bench.methods.resunet_xl.views import VIEWS

        views = VIEWS[options.inputs](problem)
        return ResUNet(views, *WIDTHS[options.size])
