"""Documents outside docs/ that pages link to, on the site: relative links work there as they do in the repository."""

import os
import re
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
DOCS = "docs/"
PROJECT = "project/"
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(#[^)\s]*)?(?=\))")


def site_path(file: str) -> str:
    """Where a file of the repository is on the site; notebooks are pages there."""
    path = file.removeprefix(DOCS) if file.startswith(DOCS) else PROJECT + file
    return re.sub(r"\.ipynb$", ".md", path)


def repository_path(page: str) -> str:
    """Where a page of the site is in the repository."""
    return page.removeprefix(PROJECT) if page.startswith(PROJECT) else DOCS + page


def target_of(link: str, file: str) -> str | None:
    """The file of the repository that a link in another one leads to; of a folder, its README; None: elsewhere."""
    target = os.path.normpath(PurePosixPath(file).parent / link)
    if (ROOT / target).is_dir():
        target += "/README.md"
    return target if not target.startswith("..") and (ROOT / target).is_file() else None


def outside(files: list[str]) -> list[str]:
    """The files outside docs/ that these documents of the repository lead to, directly or through each other."""
    found: dict[str, None] = {}
    waiting = list(files)
    while waiting:
        file = waiting.pop()
        for link, _ in LINK.findall((ROOT / file).read_text("utf-8")):
            target = target_of(link, file)
            if target and not target.startswith(DOCS) and target not in found:
                found[target] = None
                waiting += [target] if target.endswith(".md") else []
    return sorted(found)


def relinked(markdown: str, page: str) -> str:
    """The text of a page with links that hold on the site."""
    here = PurePosixPath(page).parent

    def replace(match: re.Match[str]) -> str:
        target = target_of(match[1], repository_path(page))
        link = match[1] if target is None else os.path.relpath(site_path(target), here)
        return link + (match[2] or "")

    return LINK.sub(replace, markdown)
