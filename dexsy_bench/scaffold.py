"""Writes the template of a method under a name of the user's own."""

from __future__ import annotations

import keyword
from collections.abc import Container
from pathlib import Path

from dexsy_bench.errors import UserError


def write_template(name: str, folder: Path, taken: Container[str]) -> Path:
    """Write ``folder/NAME.py``, which works at once.

    Parameters
    ----------
    name : str
        Of the method.
    folder : Path
        Made where needed.
    taken : container of str
        Names that methods have already.

    Raises
    ------
    UserError
        If the name is not a Python identifier or taken, or the file exists.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise UserError(f"'{name}' cannot be a method: use letters, digits and underscores, the first of them a letter")
    if name in taken:
        raise UserError(f"there is a method '{name}' already; choose another name")
    path = folder / f"{name}.py"
    text = (Path(__file__).parent / "template.py").read_text(encoding="utf-8")
    title = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
    text = text.replace("TEMPLATE", name).replace("Template", title).replace("template", name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UserError(f"{path} exists; choose another name or --out") from error
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    return path
