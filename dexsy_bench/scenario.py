"""A scenario: read from TOML, checked field by field, and the maker of its numbered cases."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Protocol, Self

import numpy as np
from array_api_compat import array_namespace
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from dexsy_bench import seeds
from dexsy_bench.compartments import Compartments, distributions
from dexsy_bench.errors import UserError
from dexsy_bench.physics import KERNELS, Array, forward, normalise, rician
from dexsy_bench.problem import Acquisition, Floats, Grid, Problem

# Strict: TOML has types, and neither true nor "64" is a number.
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
SNR = Annotated[float, Field(gt=0, strict=True)]


def _ascending(interval: tuple[float, float]) -> tuple[float, float]:
    if interval[0] > interval[1]:
        raise ValueError(f"must be [low, high] with low <= high, not {list(interval)}")
    return interval


Interval = Annotated[tuple[Positive, Positive], AfterValidator(_ascending)]


class ScenarioError(UserError):
    """A scenario file that cannot be used; the message names the file, the field and what is allowed."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CompartmentSection(_Section):
    """One compartment: centre range (µm²/ms, log-uniform) and blob SD range (decades, uniform)."""

    name: str
    d: Interval
    sd: Interval = (0.05, 0.15)


class ExchangeSection(_Section):
    """Exchange: k (1/s) and mixing time (s), log-uniform; Dirichlet volume fractions."""

    k: Interval = (1.0, 300.0)
    mixing_time: Interval = (1e-3, 0.3)
    equilibrium: Annotated[bool, Field(strict=True)] = True
    concentration: Annotated[int, Field(ge=1, strict=True)] = 2


class GridSection(_Section):
    """n log-spaced values of D from low to high (µm²/ms) on both axes."""

    d: Interval = (0.01, 10.0)
    n: Annotated[int, Field(ge=2, strict=True)] = 64

    @model_validator(mode="after")
    def _has_extent(self) -> Self:
        if self.d[0] == self.d[1]:
            raise ValueError(f"d must be [low, high] with low < high, not {list(self.d)}")
        return self


class AcquisitionSection(_Section):
    """n values of b from 0 to b_max (ms/µm²) on both axes.

    `uniform`: equal steps of b. `gradient`: equal steps of the gradient G, so b goes as its square.
    `log`: 0, then log-spaced from b_max / 1000. `mixing_times` (s) fixes them; without it each case
    has one, drawn from the exchange section. `sampled` keeps that share of the points, at random
    but the same ones for every case.
    """

    b_max: Positive = 10.0
    n: Annotated[int, Field(ge=2, strict=True)] = 64
    spacing: Literal["uniform", "gradient", "log"] = "uniform"
    mixing_times: tuple[Positive, ...] | None = Field(default=None, min_length=1)
    sampled: Annotated[float, Field(gt=0, le=1, strict=True)] = 1.0

    @model_validator(mode="after")
    def _reaches_b_max(self) -> Self:
        if self.spacing == "log" and self.n < 3:
            raise ValueError("n must be at least 3 with log spacing: 0, b_max / 1000 and b_max")
        return self

    def b_values(self) -> Floats:
        """The n values of b."""
        if self.spacing == "log":
            return np.concatenate([[0.0], np.geomspace(self.b_max / 1000, self.b_max, self.n - 1)])
        steps = np.linspace(0.0, 1.0, self.n)
        return self.b_max * (steps**2 if self.spacing == "gradient" else steps)


class CaseSource(Protocol):
    """Where numbered cases come from: a scenario, or a folder of generated ones."""

    @property
    def name(self) -> str:
        """What rows call it."""

    @property
    def digest(self) -> str:
        """Hash of all that defines its cases."""

    def problem(self, snr: float) -> Problem:
        """Everything known of the inverse problem at that SNR."""

    def cases(self, start: int, stop: int, snr: float) -> Cases:
        """Cases number start to stop - 1."""


@dataclass(frozen=True, eq=False)
class Cases:
    """A batch of N cases: what a method sees, and what it is scored against.

    Attributes
    ----------
    distributions : (N, T, D1, D2)
        The truth, each summing to 1.
    clean, noisy : (N, T, B1, B2)
        Signal without noise, and as measured: Rician, divided by its own S(0,0).
    parameters : dict of arrays
        What :meth:`~dexsy_bench.compartments.Compartments.draw` returned; empty when not known.
    """

    distributions: Array
    clean: Array
    noisy: Array
    parameters: dict[str, Array]


class Scenario(_Section):
    """A family of cases and how they are measured, as one TOML file in ``scenarios/`` defines it."""

    name: str
    title: str
    why: str
    snr: tuple[SNR, ...] = Field(min_length=1)
    compartments: tuple[CompartmentSection, ...] = Field(min_length=1)
    exchange: ExchangeSection = ExchangeSection()
    grid: GridSection = GridSection()
    acquisition: AcquisitionSection = AcquisitionSection()
    kernel: Literal["diffusion", "relaxation"] = "diffusion"

    @model_validator(mode="after")
    def _centres_on_grid(self) -> Self:
        low, high = self.grid.d
        for compartment in self.compartments:
            if compartment.d[0] < low or compartment.d[1] > high:
                raise ValueError(
                    f"compartment '{compartment.name}' has d = {list(compartment.d)}, outside the grid {[low, high]}"
                )
        return self

    @classmethod
    def read(cls, path: Path) -> Scenario:
        """Read ``path``; the scenario is named after the file."""
        try:
            fields = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ScenarioError(f"{path}: {error}") from error
        if "name" in fields:
            raise ScenarioError(f"{path}: name: a scenario is named after its file; leave the field out")
        try:
            return cls(name=path.stem, **fields)
        except ValidationError as error:
            raise ScenarioError(f"{path}: {explain(cls, error)}") from error

    @cached_property
    def digest(self) -> str:
        """Hash of all that defines the cases, for content keys; titles and SNR lists do not count."""
        content = self.model_dump(mode="json", exclude={"title", "why", "snr"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    @cached_property
    def family(self) -> Compartments:
        """The distributions it draws from."""
        return Compartments(
            diffusivity=[c.d for c in self.compartments],
            width=[c.sd for c in self.compartments],
            concentration=self.exchange.concentration,
            exchange_rate=self.exchange.k,
            mixing_time=self.exchange.mixing_time,
            equilibrium=self.exchange.equilibrium,
        )

    def problem(self, snr: float) -> Problem:
        """All there is to know of its inverse problem at that SNR; strip it with ``Problem.told``."""
        b = self.acquisition.b_values()
        times = self.acquisition.mixing_times
        shape = (len(times) if times else 1, b.size, b.size)
        mask = None
        if self.acquisition.sampled < 1:
            mask = seeds.generator("test", self.name, "mask").random(shape) < self.acquisition.sampled
            mask[:, 0, 0] = True
        return Problem(
            grid=Grid.log(*self.grid.d, self.grid.n),
            acquisition=Acquisition(b, b, None if times is None else np.array(times), mask),
            kernel=KERNELS[self.kernel],
            sigma=0.0 if np.isinf(snr) else 1.0 / snr,
            prior=self,
        )

    def cases(self, start: int, stop: int, snr: float, purpose: seeds.Purpose = "test") -> Cases:
        """Cases number start to stop - 1.

        The truth of a case depends on (purpose, scenario, number), its noise on the SNR besides:
        case 7 is the same specimen at every SNR.
        """
        if not 0 <= start < stop:
            raise ValueError(f"cases {start} to {stop}: needs 0 <= start < stop")
        problem = self.problem(snr)
        uniforms = np.empty((stop - start, self.family.n_uniforms))
        normals = np.empty((stop - start, 2, *problem.acquisition.signal_shape))
        for row, case in enumerate(range(start, stop)):
            seeds.generator(purpose, self.name, "truth", case).random(out=uniforms[row])
            seeds.generator(purpose, self.name, float(snr), case).standard_normal(out=normals[row])
        normals = np.moveaxis(normals, 1, 0)
        return make_cases(self.family, problem, uniforms, normals, problem.sigma)

    def draw_distributions(self, n: int) -> Floats:
        """n distributions from the training stream, (n, T, D1, D2)."""
        problem = self.problem(np.inf)
        uniforms = seeds.generator("training", self.name, "truth").random((n, self.family.n_uniforms))
        parameters = self.family.draw(uniforms, problem.acquisition.mixing_times)
        return np.asarray(distributions(problem.grid.log_d1, problem.grid.log_d2, parameters))


def make_cases(family: Compartments, problem: Problem, uniforms: Array, normals: Array, sigma: Array) -> Cases:
    """Cases from random numbers, in the array library (and on the device) of those numbers.

    Parameters
    ----------
    family : Compartments
        What to draw.
    problem : Problem
        Grid, acquisition and kernel.
    uniforms : (N, family.n_uniforms)
        In (0, 1).
    normals : (2, N, T, B1, B2)
        Standard normal.
    sigma : float or (N,)
        Noise SD per channel; 1/SNR.
    """
    xp = array_namespace(uniforms, normals)

    def here(values: Floats) -> Array:
        return xp.asarray(values.copy(), dtype=uniforms.dtype, device=uniforms.device)

    times = problem.acquisition.mixing_times
    parameters = family.draw(uniforms, None if times is None else here(times))
    f = distributions(here(problem.grid.log_d1), here(problem.grid.log_d2), parameters)
    clean = forward(f, here(problem.k1), here(problem.k2))
    clean = normalise(clean)
    noisy = normalise(rician(clean, normals, sigma))
    if problem.acquisition.mask is not None:
        noisy = xp.where(xp.asarray(problem.acquisition.mask.copy(), device=uniforms.device), noisy, 0.0)
    return Cases(f, clean, noisy, parameters)


def explain(model: type[BaseModel], error: ValidationError) -> str:
    """The first problem of a validation error: field, what is wrong, and what is allowed."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or model.__name__.lower()
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        section: type[BaseModel] = model
        for part in first["loc"][:-1]:
            annotation = section.model_fields[part].annotation if isinstance(part, str) else None
            if isinstance(annotation, type) and issubclass(annotation, BaseModel):
                section = annotation
            elif isinstance(part, str) and part == "compartments":
                section = CompartmentSection
        known = ", ".join(name for name in section.model_fields if not (section is model and name == "name"))
        message = f"unknown field; allowed here are {known}"
    elif first["type"] not in ("missing", "value_error"):
        message += f" (found {first['input']!r})"
    more = error.error_count() - 1
    return f"{where}: {message}" + (f" (and {more} more)" if more else "")
