"""What a paper's own documents say: the ledger in its README, and what its method card calls not found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

LEDGER_HEADING = re.compile(r"\b(faults|ledger|deviations)\b", re.IGNORECASE)
NOT_FOUND = re.compile(r"\bnot found\b", re.IGNORECASE)
JOINT = re.compile(r"(?<=[_=/:])(?=[A-Za-z]{2})")
SENTENCE_END = re.compile(r"(?<=[.;])\s+(?=[A-Z])")


@dataclass(frozen=True)
class Statement:
    """Something that a document says is missing, and the section that says so."""

    section: str
    text: str


def read_ledger(readme: Path) -> str:
    """The ledger of deviations as HTML; '' where the README is missing or has none."""
    return to_html(ledger_section(readme.read_text(encoding="utf-8"))) if readme.exists() else ""


def ledger_section(markdown: str) -> str:
    """The body of the first section that is headed by faults, ledger or deviations; '' where there is none."""
    for section in re.split(r"^## ", markdown, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        if LEDGER_HEADING.search(heading):
            return body.strip()
    return ""


def to_html(markdown: str) -> str:
    """Markdown with tables as HTML; raw HTML is shown as text, links lose their target: it is not part of the report.

    Every cell carries its column's name, so that a narrow screen can show rows as cards.
    """
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image", "autolink"])
    tokens = reader.parse(markdown)
    label_cells(tokens)
    reader.add_render_rule("code_inline", breakable_code)
    for mark in ("link_open", "link_close"):
        reader.add_render_rule(mark, nothing)
    table = '<table class="stack" role="table">'
    return str(reader.renderer.render(tokens, reader.options, {})).replace("<table>", table)


def breakable_code(_: RendererHTML, tokens: Sequence[Token], number: int, *__: Any) -> str:
    """Code that a narrow column may break after a joint of a name, and nowhere else."""
    return f"<code>{breakable(tokens[number].content)}</code>"


def breakable(name: str) -> str:
    """A name as HTML that may be broken after its joints."""
    return JOINT.sub("<wbr>", escapeHtml(name))


def nothing(*_: Any) -> str:
    """How the mark of a link is shown: its words stay."""
    return ""


def label_cells(tokens: list[Token]) -> None:
    """Give each cell of each table its column's heading as `data-label`, and the roles that cards would lose."""
    roles = {"tr_open": "row", "th_open": "columnheader", "td_open": "cell"}
    heads: list[str] = []
    column = 0
    for token, following in pairwise(tokens):
        if token.type in roles:
            token.attrSet("role", roles[token.type])
        if token.type == "thead_open":
            heads = []
        elif token.type == "tr_open":
            column = 0
        elif token.type == "th_open":
            heads.append(re.sub(r"[*`]", "", following.content))
        elif token.type == "td_open":
            token.attrSet("data-label", heads[column])
            column += 1


def read_not_found(card: Path) -> list[Statement]:
    """What the method card could not find; nothing where there is no card."""
    return not_found(card.read_text(encoding="utf-8")) if card.exists() else []


def not_found(markdown: str) -> list[Statement]:
    """Every heading, table row and sentence that says 'not found', below the first section heading.

    What stands above it explains the card's words and misses nothing.
    """
    statements: list[Statement] = []
    section = ""
    for line in markdown.splitlines():
        if line.startswith("##"):
            section = plain(line)
        if not section or not NOT_FOUND.search(line):
            continue
        if line.startswith("|"):
            parts = [" – ".join(filter(None, map(plain, line.strip("| ").split("|"))))]
        else:
            parts = [plain(part) for part in SENTENCE_END.split(line) if NOT_FOUND.search(part)]
        statements += [Statement("" if part == section else section, part) for part in parts]
    return statements


def plain(markdown: str) -> str:
    """A line of Markdown without its marks."""
    return re.sub(r"[*`]|^[#\-\s]+", "", markdown.strip()).strip()
