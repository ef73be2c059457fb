"""What a browser would load from other machines to show a page; where its links lead does not count."""

import re
from html.parser import HTMLParser
from pathlib import Path

LOADED = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
ELSEWHERE = re.compile(r"(?:https?:)?//")


def loaded_by_page(html: str) -> list[str]:
    """Scripts, styles, pictures and frames of a page that lie elsewhere."""
    found: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            given = dict(attributes)
            address = given.get(LOADED.get(tag, "")) or ""
            if ELSEWHERE.match(address) and given.get("rel") != "canonical":
                found.append(address)

    Parser().feed(html)
    return found


def loaded_by_style(css: str) -> list[str]:
    """Fonts, pictures and styles of a style sheet that lie elsewhere."""
    return [
        address for address in re.findall(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""", css) if ELSEWHERE.match(address)
    ]


def check(site: Path) -> list[str]:
    """A sentence for each page or style sheet of a built site that needs a network."""
    said = []
    for pattern, loaded in (("*.html", loaded_by_page), ("*.css", loaded_by_style)):
        for path in sorted(site.rglob(pattern)):
            for address in loaded(path.read_text("utf-8")):
                said.append(f"{path.relative_to(site)} loads {address}: the site has to work without a network")
    return said
