"""Finds methods and scenarios: built in, from entry points, and from files or folders that a user includes."""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import importlib
import importlib.util
import inspect
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, TypeAdapter, ValidationError

from dexsy_bench.errors import UserError
from dexsy_bench.method import TUNED, Method, Wrapper
from dexsy_bench.scenario import SNR, Scenario, ScenarioError, explain
from dexsy_bench.sources import shared


class UnknownName(UserError):
    """No such method, scenario, suite or option; the message suggests what was meant."""


class PluginError(UserError):
    """A method file that cannot be loaded."""


@dataclass(frozen=True)
class Suite:
    """A group of cells: scenarios x SNR levels x cases.

    Attributes
    ----------
    name, title : str
    scenarios : tuple of str
    cases : int
        Cases in each cell.
    snr : tuple of float or None
        None: each scenario's own levels.
    methods : tuple of str or None
        The selections it is run with unless others are asked for; None: the default variants of every method.
    fewer : dict of str to int
        Methods that take long, each with the number of cases it is given unless one is asked for.
    """

    name: str
    title: str
    scenarios: tuple[str, ...]
    cases: int
    snr: tuple[float, ...] | None = None
    methods: tuple[str, ...] | None = None
    fewer: Mapping[str, int] = dataclasses.field(default_factory=dict)


class _SuiteSection(BaseModel):
    model_config = ConfigDict(extra="forbid")
    title: str
    scenarios: tuple[str, ...] = Field(min_length=1)
    cases: int = Field(ge=1, strict=True)
    snr: tuple[SNR, ...] | None = Field(default=None, min_length=1)
    methods: tuple[str, ...] | None = Field(default=None, min_length=1)
    fewer: dict[str, Annotated[int, Field(ge=1, strict=True)]] = {}


@dataclass(frozen=True)
class Selection:
    """A method with its options: one row family of the leaderboard.

    Attributes
    ----------
    name : str
        The method.
    given : mapping
        Options that differ from the defaults, in the order of the Options class.
    """

    name: str
    given: tuple[tuple[str, Any], ...] = ()

    @property
    def label(self) -> str:
        """As users type it: ``tikhonov[order=0]``."""
        inner = ",".join(f"{key}={_show(value)}" for key, value in self.given)
        return f"{self.name}[{inner}]" if inner else self.name


def _parse(text: str) -> int | float | str:
    """A number where the text is one: Literal[0, 2] does not take "2"."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def split_options(inner: str) -> list[str]:
    """The parts of ``a=1,method=other[b=2,c=3]`` between commas that are not in brackets."""
    parts, depth = [""], 0
    for character in inner:
        depth += (character == "[") - (character == "]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _show(value: Any) -> str:
    """As short as can be read back to the same value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return str(value)


class Registry:
    """Everything that can be run.

    Parameters
    ----------
    include : iterable of str or Path
        Files (``NAME.py`` methods, ``NAME.toml`` scenarios) or folders of them. They take
        precedence over entry points (group ``dexsy_bench.methods``), and these over built-ins.
    """

    def __init__(self, include: Iterable[str | Path] = ()) -> None:
        self.include = tuple(Path(path).resolve() for path in include)
        for path in self.include:
            if not path.exists():
                raise PluginError(f"--include {path}: no such file or folder")
            if path.is_file() and path.suffix not in (".py", ".toml"):
                raise PluginError(
                    f"--include {path}: not a method (NAME.py), a scenario (NAME.toml) or a folder of them"
                )
        self._loaded: dict[str, type[Method]] = {}

    # Methods -------------------------------------------------------------------------------

    @cached_property
    def _method_sources(self) -> dict[str, Any]:
        """Name -> a file (built in or included) or an entry point."""
        sources: dict[str, Any] = {}
        package = importlib.import_module("dexsy_bench.methods")
        for folder in package.__path__:
            sources.update(_method_files(Path(folder)))
        for point in entry_points(group="dexsy_bench.methods"):
            sources[point.name] = point
        for path in self.include:
            sources.update({path.stem: path} if path.suffix == ".py" else _method_files(path))
        return sources

    @property
    def method_names(self) -> list[str]:
        """All methods, sorted."""
        return sorted(self._method_sources)

    @property
    def included_methods(self) -> list[str]:
        """Those that come from included files and folders, sorted."""
        found = (_method_files(path) if path.is_dir() else {path.stem: path} for path in self.include)
        return sorted(name for files in found for name in files if self._method_sources.get(name) == files[name])

    def method(self, name: str) -> type[Method]:
        """The class called name.

        Raises
        ------
        UnknownName, PluginError
        """
        if name not in self._loaded:
            loaded = self._load(name)
            if issubclass(loaded, Wrapper):
                if re.match(rf"{name}(\[|$)", str(getattr(loaded.Options(), "method", ""))):
                    raise PluginError(f"method '{name}' wraps itself by default: give its option `method` another one")
                body = {"registry": self, "__doc__": loaded.__doc__, "__module__": loaded.__module__}
                loaded = type(loaded.__name__, (loaded,), body)
            for attribute, kind in (("told", frozenset), ("variants", tuple), ("search_space", Mapping)):
                if not isinstance(getattr(loaded, attribute), kind):
                    raise PluginError(f"method '{name}': {attribute} has to be a {kind.__name__}")
            self._loaded[name] = loaded
        return self._loaded[name]

    def _load(self, name: str) -> type[Method]:
        source = _look_up(self._method_sources, name, "method")
        try:
            if isinstance(source, Path):
                module = _import_method_file(name, source)
                found = [
                    value
                    for value in vars(module).values()
                    if inspect.isclass(value) and issubclass(value, Method) and getattr(value, "name", None) == name
                ]
                if not found:
                    raise PluginError(
                        f"{source}: no Method subclass with name = '{name}'; a file is named after its method"
                    )
                return found[0]
            loaded = source.load()
        except PluginError:
            raise
        except (Exception, SystemExit) as error:
            reason = f"{type(error).__name__}: {error}"
            raise PluginError(f"method '{name}' cannot be loaded from {source}: {reason}") from error
        if not (inspect.isclass(loaded) and issubclass(loaded, Method)):
            raise PluginError(f"entry point {source.value} is not a Method subclass")
        return loaded

    def method_digest(self, name: str) -> str:
        """Hash of the source (and shipped weights) of a method, so that a changed one is recomputed.

        Files beside it that start with an underscore are no methods but may be shared by them: they count, and so do
        the solvers that it imports.
        """
        source = _look_up(self._method_sources, name, "method")
        path = source if isinstance(source, Path) else Path(inspect.getfile(source.load()))
        if path.name == "__init__.py":
            path = path.parent
        own = [path, *sorted(path.parent.glob("_*"))]
        return digest_of_files([*own, *shared(own)])

    # Selections ----------------------------------------------------------------------------

    def select(self, text: str) -> Selection:
        """Parse ``tikhonov[alpha=lcurve,order=2]`` and check it against the method's options."""
        match = re.fullmatch(r"\s*([\w.-]+)\s*(?:\[(.*)\])?\s*", text)
        if not match:
            raise UnknownName(f"'{text}' is not a method: write NAME or NAME[option=value,...]")
        name, inner = match[1], match[2] or ""
        given: dict[str, Any] = {}
        for part in filter(None, (p.strip() for p in split_options(inner))):
            key, equals, value = part.partition("=")
            if not equals:
                raise UnknownName(f"'{text}': write option=value, not '{part}'")
            given[key.strip()] = _parse(value.strip())
        options = self.make_options(name, given)
        defaults = self.method(name).Options()
        return Selection(
            name,
            tuple(
                (f.name, getattr(options, f.name))
                for f in dataclasses.fields(options)
                if getattr(options, f.name) != getattr(defaults, f.name)
            ),
        )

    def make_options(self, name: str, given: Mapping[str, Any]) -> Any:
        """The Options of a method, checked against its annotations."""
        cls = self.method(name).Options
        try:
            adapter = TypeAdapter(cls)
            cls()
            adapter.validate_python({})
        except (PydanticUserError, TypeError, ValueError) as error:
            raise PluginError(
                f"{name}: Options has to be a dataclass in which each option has a type and a valid default"
            ) from error
        known = [f.name for f in dataclasses.fields(cls)]
        for key in given:
            if key not in known:
                raise UnknownName(
                    f"{name} has no option '{key}'{_suggest(key, known)}; its options: {', '.join(known) or 'none'}"
                )
        try:
            options: Any = adapter.validate_python(dict(given))
        except ValidationError as error:
            first = error.errors()[0]
            reasons = " or ".join(dict.fromkeys(e["msg"].removeprefix("Value error, ") for e in error.errors()))
            what = f"{first['loc'][0]}={first['input']!r}: " if first["loc"] else ""
            raise UnknownName(f"{name}: {what}{reasons}") from error
        if issubclass(self.method(name), Wrapper):
            wrapped = self.select(options.method)
            inner = self.options_of(wrapped)
            for field in dataclasses.fields(inner):
                if getattr(inner, field.name) == TUNED:
                    number = f"{wrapped.name}[{field.name}=0.1]"
                    raise UnknownName(f"{name}: tuned values belong to a scenario; give a number, as in {number}")
            return dataclasses.replace(options, method=wrapped.label)
        return options

    def options_of(self, selection: Selection) -> Any:
        """The Options that a selection stands for."""
        return self.make_options(selection.name, dict(selection.given))

    def variants(self, name: str) -> list[Selection]:
        """The selections that a method takes part with by default."""
        return [self.select(f"{name}[{variant}]") for variant in self.method(name).variants]

    # Scenarios -----------------------------------------------------------------------------

    @cached_property
    def _scenario_files(self) -> dict[str, Path]:
        package = importlib.import_module("dexsy_bench.scenarios")
        folders = [*map(Path, package.__path__), *self.include]
        files: dict[str, Path] = {}
        for folder in folders:
            paths = sorted(folder.glob("*.toml")) if folder.is_dir() else [folder] if folder.suffix == ".toml" else []
            files.update({path.stem: path for path in paths if path.stem != "suites"})
        return files

    @property
    def scenario_names(self) -> list[str]:
        """All scenarios, sorted."""
        return sorted(self._scenario_files)

    def scenario(self, name: str) -> Scenario:
        """The scenario called name (or in that file).

        Raises
        ------
        UnknownName, ScenarioError
        """
        return Scenario.read(_look_up(self._scenario_files, name, "scenario"))

    @cached_property
    def suites(self) -> dict[str, Suite]:
        """The groups of ``suites.toml``; an included folder may bring its own."""
        package = importlib.import_module("dexsy_bench.scenarios")
        suites: dict[str, Suite] = {}
        for folder in [*map(Path, package.__path__), *self.include]:
            path = folder / "suites.toml"
            if folder.is_dir() and path.exists():
                suites.update(_read_suites(path))
        return suites

    def suite(self, name: str) -> Suite:
        """The suite called name."""
        suite: Suite = _look_up(self.suites, name, "suite")
        return suite


def _read_suites(path: Path) -> dict[str, Suite]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(f"{path}: {error}") from error
    suites = {}
    for name, fields in tables.items():
        try:
            suites[name] = Suite(name, **_SuiteSection.model_validate(fields).model_dump())
        except ValidationError as error:
            raise ScenarioError(f"{path}: {name}: {explain(_SuiteSection, error)}") from error
    return suites


def _method_files(folder: Path) -> dict[str, Path]:
    """Method files and folders in a folder: no leading underscore."""
    files = {p.stem: p for p in sorted(folder.glob("*.py"))}
    files.update({p.parent.name: p for p in sorted(folder.glob("*/__init__.py"))})
    return {name: path for name, path in files.items() if not name.startswith(("_", "."))}


def _import_method_file(name: str, path: Path) -> Any:
    package = importlib.import_module("dexsy_bench.methods")
    if path.parent in map(Path, package.__path__) or path.parent.parent in map(Path, package.__path__):
        return importlib.import_module(f"dexsy_bench.methods.{name}")
    module_name = f"dexsy_bench_included.{name}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def digest_of_files(paths: Iterable[Path]) -> str:
    """Hash of the content of files, and of all files below folders save documents (.md), which compute nothing."""
    digest = hashlib.sha256()
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix != ".md" and "__pycache__" not in file.parts:
                digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _look_up(known: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in known:
        raise UnknownName(f"no {what} '{name}'{_suggest(name, known)}; there are: {', '.join(sorted(known))}")
    return known[name]


def _suggest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
