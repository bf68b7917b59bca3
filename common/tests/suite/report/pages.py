"""What a page of the report says, read without a browser."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

VOID = {"meta", "link", "br", "img", "wbr", "hr", "input"}


class Page(HTMLParser):
    """Addresses, ids and the visible text of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.links: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []
        self.scripts = 0
        self.hidden = 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.links += [value for name in ("href", "src", "poster") if (value := named.get(name))]
        self.ids += [value for value in [named.get("id")] if value]
        self.scripts += tag == "script"
        self.hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def broken_links(folder: Path) -> list[str]:
    """'index.html: #nowhere' for every address in the pages of a folder that leads nowhere or out of it."""
    pages = {path.resolve(): Page(path) for path in folder.glob("*.html")}
    broken = []
    for page in pages.values():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme == "data":
                continue
            target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path.resolve()
            outside = parts.scheme or parts.netloc or not target.is_relative_to(folder.resolve())
            lost = parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].ids
            if outside or not target.is_file() or lost:
                broken.append(f"{page.path.name}: {link}")
    return broken
