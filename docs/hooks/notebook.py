"""A notebook as Markdown, with the outputs that are stored in it."""

import json
import re
from pathlib import Path

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def page(path: Path) -> str:
    """Its cells, one after the other, and a link to the notebook itself."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    parts = [part for cell in cells for part in shown(cell)]
    title, _, rest = parts[0].partition("\n")
    download = f'<a href="../{path.name}" download>Download this page as a notebook.</a>'
    return "\n\n".join([title, download, rest.strip(), *parts[1:]]) + "\n"


def shown(cell: dict) -> list[str]:
    """A cell and its outputs."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [source]
    return [f"```python\n{source}\n```", *filter(None, map(output, cell.get("outputs", [])))]


def output(it: dict) -> str:
    """A picture, a table, or text: the richest of what a cell gave."""
    data = it.get("data", {})
    if "image/png" in data:
        return f'<img alt="" src="data:image/png;base64,{"".join(data["image/png"]).strip()}">'
    if "text/html" in data:
        html = re.sub(r"<style.*?</style>|\s*\n\s*", "", "".join(data["text/html"]), flags=re.DOTALL)
        return f'<div class="output">{html}</div>'
    text = COLOURS.sub("", "".join(it.get("text", data.get("text/plain", ""))))
    return f"```text\n{text.rstrip()}\n```" if text.strip() else ""
