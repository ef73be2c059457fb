"""What the site has beyond docs/: pages from the code, the notebook, and linked documents of the repository."""

import functools
import logging
import re
from pathlib import Path

import notebook
import offline
import reference
import repository
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from dexsy_bench.registry import Registry

PYTHON = "reference/python/"
ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):<code>~?(?:([\w.]+) &lt;)?([\w.]+)(?:&gt;)?</code>")
log = logging.getLogger("mkdocs.hooks.build")  # strict: a warning fails the build


@functools.cache
def registry() -> Registry:
    """Methods and scenarios."""
    return Registry()


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what is generated and what lies elsewhere in the repository."""
    made = reference.pages(registry())
    made |= {path: reference.module(Path(path).stem) for path in listed(config.nav) if path.startswith(PYTHON)}
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        made[repository.site_path("docs/" + file.src_uri)] = notebook.page(Path(file.abs_src_path))
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    documents = [repository.repository_path(file.src_uri) for file in files.documentation_pages() if file.abs_src_path]
    for path in repository.outside(documents):
        source = str(repository.ROOT / path)
        files.append(File.generated(config, repository.site_path(path), abs_src_path=source))
    return files


def listed(nav: object) -> list[str]:
    """All paths of the navigation."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav or []
    return [path for part in parts for path in listed(part)]


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mend links, and end the page of a method with what its class declares."""
    path = page.file.src_uri
    if page.is_homepage:
        page.meta["hide"] = ["navigation", "toc"]
    if path.startswith("methods/"):
        about = reference.methods_of(markdown, registry())
        markdown = "\n\n".join([markdown, *(reference.method(name, registry()) for name in about)])
    return repository.relinked(markdown, path)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Docstrings name each other as Sphinx does: make links of it."""

    def link(role: re.Match[str]) -> str:
        return f'<autoref identifier="{role[2]}" optional><code>{role[1] or role[2]}</code></autoref>'

    return ROLE.sub(link, html)


def on_post_build(config: MkDocsConfig) -> None:
    """No page may load anything from another machine."""
    for sentence in offline.check(Path(config.site_dir)):
        log.warning(sentence)
