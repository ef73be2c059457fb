"""The notebook runs, from the first cell to the last, and shows what is stored in it."""

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parent.parent / "docs" / "tutorial.ipynb"
AGAIN = "to store new outputs: jupyter execute --inplace docs/tutorial.ipynb"


def shown(notebook):
    """For each code cell, the kinds of what it showed: pictures, tables, text, streams."""
    return [
        [sorted(output.get("data", {output.get("name", output.output_type): ""})) for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def numbers(notebook):
    """All numbers of the tables that it showed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    cells = re.findall(
        r"<td>(-?[\d.]+)</td>", "".join(output.get("data", {}).get("text/html", "") for output in outputs)
    )
    return np.array(cells, dtype=float)


@pytest.fixture(scope="module")
def stored():
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture(scope="module")
def executed(stored):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    return NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources).execute()


def test_it_shows_what_it_stores(executed, stored):
    assert shown(executed) == shown(stored), AGAIN
    assert sum("image/png" in kinds for outputs in shown(executed) for kinds in outputs) == 3
    assert numbers(executed).size > 100
    np.testing.assert_allclose(numbers(executed), numbers(stored), rtol=0.02, atol=2e-3, err_msg=AGAIN)


def test_nothing_is_said_on_standard_error(executed):
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
