"""A method that is a trained network."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dexsy_bench.learning.weights import Weights, WeightsError
from dexsy_bench.method import Estimate, Method
from dexsy_bench.problem import Problem

if TYPE_CHECKING:
    from torch import nn

SHIPPED = "shipped"
BATCH = 32
"""Cases that pass through the network at once: more is no faster on a CPU, and takes memory."""


class LearnedMethod(Method):
    """A network trained on generated cases.

    A subclass says what the network is (:meth:`network`); `dexsy-bench train NAME` trains it. Its
    options, ``weights`` apart, shape the network. Weights that come with the method are the model
    cards ``weights/*.toml`` in its folder.
    """

    family = "learned"

    @dataclass(frozen=True)
    class Options:
        """``weights``: `shipped`, or the path of a model card that `dexsy-bench train` wrote."""

        weights: str = SHIPPED

    def __init_subclass__(cls, **given: Any) -> None:
        """Each of the weights that come with a method is a row of the leaderboard."""
        super().__init_subclass__(**given)
        cls.variants = tuple(dict.fromkeys(_inner(weights.card.options) for weights in cls.shipped())) or ("",)

    @classmethod
    @abstractmethod
    def network(cls, options: Any, problem: Problem) -> nn.Module:
        """The untrained network: signals (N, B1, B2) to distributions (N, D1, D2), float32."""

    @classmethod
    def unfit(cls, problem: Problem) -> str | None:
        """The reason why no such network can be made for a problem, or None."""
        return None

    @classmethod
    def shape(cls, options: Any) -> dict[str, Any]:
        """The options that shape the network, all but ``weights``, as a model card holds them."""
        return {name: value for name, value in asdict(options).items() if name != "weights" and value is not None}

    @classmethod
    def shipped(cls) -> list[Weights]:
        """The weights that come with the method; those of another in the same folder do not."""
        folder = Path(inspect.getfile(cls)).parent / "weights"
        every = [Weights.read(path) for path in sorted(folder.glob("*.toml"))]
        return [weights for weights in every if weights.card.method == getattr(cls, "name", None)]

    @classmethod
    def weights(cls, options: Any) -> Weights:
        """The weights that the options ask for.

        Raises
        ------
        WeightsError
            If there are none, or they belong to another network.
        """
        shape = cls.shape(options)
        wanted = _label(cls.name, shape)
        if options.weights == SHIPPED:
            shipped = cls.shipped()
            for weights in shipped:
                if weights.card.options == shape:
                    return weights
            others = " or ".join(_label(cls.name, weights.card.options) for weights in shipped)
            instead = f"; there are weights for {others}" if others else ""
            raise WeightsError(f"no weights come with {wanted}: run `dexsy-bench train '{wanted}'`{instead}")
        weights = Weights.read(Path(options.weights))
        if (weights.card.method, weights.card.options) != (cls.name, shape):
            theirs = _label(weights.card.method, weights.card.options)
            raise WeightsError(f"{options.weights} holds weights of {theirs}, not of {wanted}")
        return weights

    @classmethod
    def digest(cls, options: Any) -> str:
        """Hash of the weights that the options ask for; empty where there are none."""
        try:
            return cls.weights(options).digest
        except WeightsError:
            return ""

    def supports(self, problem: Problem) -> str | None:
        """None for the inverse problem that the network was trained on."""
        reason = self.unfit(problem)
        if reason is not None:
            return reason
        try:
            trained = self.weights(self.options).problem()
        except WeightsError as error:
            return str(error)
        return difference(trained, problem)

    def prepare(self, problem: Problem) -> None:
        """Build the network, on the GPU where there is one, and load its weights.

        Raises
        ------
        WeightsError
            If they do not fit the network: another version of the method made them.
        """
        import torch

        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network = self.network(self.options, problem)
        weights = self.weights(self.options)
        try:
            network.load_state_dict(weights.tensors())
        except RuntimeError as error:
            raise WeightsError(f"{weights.path} holds weights of another version of the network") from error
        network.eval().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.ready = network

    def invert(self, signals: NDArray[Any]) -> Estimate:
        """Every signal through the network, `BATCH` at a time."""
        import torch

        with torch.inference_mode():
            parts = [
                self.ready(torch.as_tensor(signals[i : i + BATCH], dtype=torch.float32, device=self.device)).cpu()
                for i in range(0, len(signals), BATCH)
            ]
        f = torch.cat(parts).double().numpy()
        return Estimate(f / f.sum(axis=(-2, -1), keepdims=True))


def difference(trained: Problem, problem: Problem) -> str | None:
    """What sets a problem apart from the one that a network was trained on; None where nothing does."""
    if trained.kernel != problem.kernel:
        return f"trained for {trained.kernel.name}, not {problem.kernel.name}"
    if problem.mask() is not None:
        return "trained on fully sampled signals, not on a mask"
    unit, other = problem.kernel.encoding_unit, problem.kernel.quantity_unit
    for name, ours, theirs, of in (
        ("grid", trained.grid.d1, problem.grid.d1, other),
        ("grid", trained.grid.d2, problem.grid.d2, other),
        ("acquisition", trained.acquisition.b1, problem.acquisition.b1, unit),
        ("acquisition", trained.acquisition.b2, problem.acquisition.b2, unit),
    ):
        if ours.shape != theirs.shape or not np.allclose(ours, theirs, rtol=1e-6, atol=1e-9):
            return f"trained on another {name}: {_axis(ours, of)}, not {_axis(theirs, of)}"
    return None


def _axis(values: NDArray[Any], unit: str) -> str:
    steps = np.diff(values)
    even = "evenly spaced " if np.allclose(steps, steps[0], rtol=1e-6) else ""
    return f"{values.size} {even}values {values[0]:g}-{values[-1]:g} {unit}"


def _inner(shape: dict[str, Any]) -> str:
    return ",".join(f"{key}={value}" for key, value in shape.items())


def _label(name: str, shape: dict[str, Any]) -> str:
    return f"{name}[{_inner(shape)}]"
