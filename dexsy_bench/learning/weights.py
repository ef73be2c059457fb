"""Weights on disk: half-precision safetensors with a model card beside them, checked when they are read.

``NAME.toml`` is the card: what the network is, what it was trained on, how it scores on validation cases,
and the SHA-256 of each file of weights. These, ``NAME-HASH.safetensors``, hold the tensors and the axes of
the inverse problem. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dexsy_bench.errors import UserError
from dexsy_bench.physics import KERNELS
from dexsy_bench.problem import Acquisition, Grid, Problem

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_FILE = 50_000_000
"""Bytes; more is spread over several files."""
SMALL = 10_000
"""Tensors of fewer numbers stay in single precision: biases, batch statistics, the first and last convolution.

They are 3 % of the weights, and rounding them moved scores ten times as much as rounding the others did.
"""
_AXES = "problem."


class WeightsError(UserError):
    """Weights that cannot be used; the message names the file and says why."""


class Leg(BaseModel):
    """One training leg: weights carry the list of all that made them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cases: int
    seconds: float
    hardware: str
    date: str
    stream: dict[str, Any]
    settings: dict[str, Any]
    packages: dict[str, str]


class Score(BaseModel):
    """Means over the validation cases of a cell."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    scenario: str
    snr: float
    cases: int
    scores: dict[str, float]


class Card(BaseModel):
    """The model card.

    Attributes
    ----------
    method : str
        Which method the weights belong to.
    options : dict
        The options that shape its network.
    parameters : int
        Number of weights.
    kernel : str
        Of the inverse problem; its axes are in the weights.
    legs : tuple of Leg
    validation : tuple of Score
    files : dict
        Name of each file of weights and its SHA-256.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    options: dict[str, Any]
    parameters: int
    kernel: Literal["diffusion", "relaxation"] = "diffusion"
    legs: tuple[Leg, ...] = Field(min_length=1)
    validation: tuple[Score, ...] = ()
    files: dict[str, str] = {}

    @property
    def cases(self) -> int:
        """Training cases seen in all legs."""
        return sum(leg.cases for leg in self.legs)


@dataclass(frozen=True, eq=False)
class Weights:
    """A model card, read; its tensors are read on demand.

    Attributes
    ----------
    path : Path
        Of the card.
    card : Card
    """

    path: Path
    card: Card

    @classmethod
    def read(cls, path: Path) -> Weights:
        """Read a card.

        Raises
        ------
        WeightsError
            If there is none, or it is not one.
        """
        try:
            card = Card.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise WeightsError(f"{path} cannot be read: {error.strerror or error}") from error
        except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise WeightsError(f"{path} cannot be read as a model card: {error}") from error
        except ValidationError as error:
            field = ".".join(map(str, error.errors()[0]["loc"]))
            raise WeightsError(f"{path} is not a model card: {field}: {error.errors()[0]['msg']}") from error
        if not card.files or any(not name or Path(name).name != name for name in card.files):
            raise WeightsError(f"{path} is not a model card: files: has to name files of weights that lie beside it")
        return cls(path, card)

    @property
    def files(self) -> list[Path]:
        """The files of weights."""
        return [self.path.with_name(name) for name in self.card.files]

    @property
    def digest(self) -> str:
        """Hash of the weights: what was computed with them depends on it, and on nothing else of the card."""
        content = f"{self.card.options}{sorted(self.card.files.items())}"
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def problem(self) -> Problem:
        """The inverse problem they were trained on.

        Raises
        ------
        WeightsError
        """
        first = self._read(self.files[0])
        d1, d2, b1, b2 = (first[_AXES + name].numpy() for name in ("d1", "d2", "b1", "b2"))
        return Problem(Grid(d1, d2), Acquisition(b1, b2), KERNELS[self.card.kernel])

    def tensors(self) -> dict[str, Tensor]:
        """The weights in single precision.

        Raises
        ------
        WeightsError
        """
        return {
            name: tensor.float() if tensor.is_floating_point() else tensor
            for file in self.files
            for name, tensor in self._read(file).items()
            if not name.startswith(_AXES)
        }

    def _read(self, file: Path) -> dict[str, Tensor]:
        """What a file holds, once its hash is found to be that of the card.

        Raises
        ------
        WeightsError
            If it is missing, truncated or altered.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load

        try:
            content = file.read_bytes()
        except OSError as error:
            raise WeightsError(f"{file} cannot be read: {error.strerror or error}; {_RESTORE}") from error
        if hashlib.sha256(content).hexdigest() != self.card.files[file.name]:
            raise WeightsError(f"{file} is not the file that {self.path.name} names (SHA-256 differs); {_RESTORE}")
        try:
            return dict(load(content))
        except SafetensorError as error:
            raise WeightsError(f"{file} does not hold weights: {error}; {_RESTORE}") from error


_RESTORE = "fetch it again, or train new weights with `dexsy-bench train`"


def save(path: Path, card: Card, problem: Problem, tensors: Mapping[str, Tensor]) -> Weights:
    """Write weights in half precision, then the card that makes them valid, whole or not at all.

    Files of weights are named after their content, so that those of the card before, should there be one,
    are valid until the new card takes its place; then they are removed.

    Parameters
    ----------
    path : Path
        Of the card, ``NAME.toml``; files of weights take its stem.
    card : Card
        Its ``files`` are filled in.
    problem : Problem
        What the network was trained on.
    tensors : mapping
        The state of the network.
    """
    import torch
    from safetensors.torch import save as to_bytes

    axes = {"d1": problem.grid.d1, "d2": problem.grid.d2, "b1": problem.acquisition.b1, "b2": problem.acquisition.b2}
    content = {_AXES + name: torch.tensor(axis) for name, axis in axes.items()}
    content |= {name: _halved(tensor.detach().cpu().contiguous()) for name, tensor in tensors.items()}
    files = {}
    path.parent.mkdir(parents=True, exist_ok=True)
    before = _files_of(path)
    for part in _parts(content):
        written = to_bytes(part)
        digest = hashlib.sha256(written).hexdigest()
        file = path.with_name(f"{path.stem}-{digest[:8]}.safetensors")
        _replace(file, written)
        files[file.name] = digest
    card = card.model_copy(update={"files": files})
    import tomli_w

    _replace(path, tomli_w.dumps(card.model_dump(exclude_none=True)).encode())
    for file in before:
        if file.name not in files:
            file.unlink(missing_ok=True)
    return Weights(path, card)


def _files_of(path: Path) -> list[Path]:
    """The files that a card names, should there be one."""
    try:
        return Weights.read(path).files
    except WeightsError:
        return []


def _halved(tensor: Tensor) -> Tensor:
    """In half precision, unless it is `SMALL` or holds numbers too large for that."""
    if not tensor.is_floating_point():
        return tensor
    half = tensor.half()
    return tensor.float() if tensor.numel() < SMALL or not half.isfinite().all() else half


def _parts(content: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """In order, no part larger than `LARGEST_FILE` (its header aside)."""
    part: dict[str, Tensor] = {}
    size = 0
    for name, tensor in content.items():
        if part and size + tensor.nbytes > 0.99 * LARGEST_FILE:
            yield part
            part, size = {}, 0
        part[name] = tensor
        size += tensor.nbytes
    yield part


def _replace(path: Path, content: bytes) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
