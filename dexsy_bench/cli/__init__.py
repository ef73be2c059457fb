"""The command line: parse, call, print. One file a command; heavy imports stay inside the functions."""

from __future__ import annotations

import sys

import typer

from dexsy_bench.cli import check, doctor, generate, invert, new_method, plot, run, score, table, tune
from dexsy_bench.cli import list as list_
from dexsy_bench.errors import UserError

app = typer.Typer(
    name="dexsy-bench",
    help="Which inversion to use on DEXSY data, and how far to believe it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("doctor")(doctor.doctor)
app.command("list")(list_.list_all)
app.command("run")(run.run)
app.command("generate")(generate.generate)
app.command("invert")(invert.invert)
app.command("new-method")(new_method.new_method)
app.command("check")(check.check)
app.command("score")(score.score)
app.command("tune")(tune.tune)
app.command("table")(table.table)
app.command("plot")(plot.plot)


def main() -> None:
    """Run the command line; a mistake of the user is answered in one sentence, exit status 2."""
    try:
        app()
    except UserError as error:
        print(f"dexsy-bench: {error}", file=sys.stderr)
        sys.exit(2)
