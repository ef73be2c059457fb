"""`dexsy-bench doctor`: is everything here that a run needs?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    include: Annotated[
        list[Path] | None,
        typer.Option(help="A method NAME.py, a scenario NAME.toml or a folder of them; may be repeated."),
    ] = None,
) -> None:
    """Check versions, hardware, disk, methods and scenarios, and run one case from end to end.

    Ends with status 1 if anything fails; warnings do not count.
    """
    from rich.console import Console
    from rich.text import Text

    from dexsy_bench.health import examine

    console = Console()
    style = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    failures = 0
    for line in examine(include or ()):
        failures += line.level == "fail"
        fix = f" -> {line.fix}" if line.fix else ""
        console.print(
            Text.assemble((f"{line.level:4}", style[line.level]), f"  {line.what}: {line.found}{fix}"), soft_wrap=True
        )
    if failures:
        raise typer.Exit(1)
