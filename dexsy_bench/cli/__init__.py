"""The command line: parse, call, print. One file a command; heavy imports stay inside the functions."""

from __future__ import annotations

import sys

import typer

from dexsy_bench.cli import (
    check,
    choosing,
    compare,
    doctor,
    generate,
    invert,
    limits,
    merge,
    new_method,
    plot,
    ranks,
    report,
    run,
    score,
    table,
    train,
    tune,
)
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

COMPARE, METHOD, DATA = "Compare methods", "A method of your own", "Your data, your programs"

app.command("list", rich_help_panel=COMPARE)(list_.list_all)
app.command("run", rich_help_panel=COMPARE)(run.run)
app.command("merge", rich_help_panel=COMPARE)(merge.merge)
app.command("table", rich_help_panel=COMPARE)(table.table)
app.command("compare", rich_help_panel=COMPARE)(compare.compare)
app.command("ranks", rich_help_panel=COMPARE)(ranks.ranks)
app.command("choosing", rich_help_panel=COMPARE)(choosing.choosing)
app.command("plot", rich_help_panel=COMPARE)(plot.plot)
app.command("report", rich_help_panel=COMPARE)(report.report)
app.command("doctor", rich_help_panel=COMPARE)(doctor.doctor)
app.command("new-method", rich_help_panel=METHOD)(new_method.new_method)
app.command("check", rich_help_panel=METHOD)(check.check)
app.command("tune", rich_help_panel=METHOD)(tune.tune)
app.command("train", rich_help_panel=METHOD)(train.train)
app.command("invert", rich_help_panel=DATA)(invert.invert)
app.command("limits", rich_help_panel=DATA)(limits.limits)
app.command("generate", rich_help_panel=DATA)(generate.generate)
app.command("score", rich_help_panel=DATA)(score.score)


def main() -> None:
    """Run the command line; a mistake of the user is answered in one sentence, exit status 2."""
    try:
        app()
    except UserError as error:
        print(f"dexsy-bench: {error}", file=sys.stderr)
        sys.exit(2)
