"""Tables for a terminal of 80 columns: aligned lines under their sections, a sentence beneath one that needs it."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.text import Text

COLOURS = {
    "equivalent": "green", "holds": "green", "within": "green", "better": "cyan", "worse": "red", "fails": "red",
    "outside": "red", "failed": "red", "inconclusive": "yellow",
}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """A line of a table."""

    cells: Sequence[str]
    """The last one is coloured where it is a verdict."""
    sentence: str = ""
    """Shown beneath."""
    section: str = ""
    """Shown above, where it differs from the line before."""


def lined_table(heads: Sequence[str], lines: Sequence[Line], right: Container[int] = ()) -> RenderableType:
    """Aligned lines under their sections; sentences use the whole width, and one that all lines share comes once.

    `right`: the numbers of columns that are aligned to the right.
    """
    sentences = {one.sentence for one in lines}
    shared = sentences.pop() if len(lines) > 1 and len(sentences) == 1 else ""
    columns = zip(heads, *(one.cells for one in lines), strict=True)
    widths = [max(len(cell) for cell in column) for column in columns]
    parts: list[RenderableType] = [aligned(heads, widths, right, "bold"), Rule(style="dim", characters="─")]
    section = ""
    for one in lines:
        if one.section != section:
            section = one.section
            parts.append(heading(section))
        parts.append(aligned(one.cells, widths, right, colour_of(one.cells[-1])))
        if one.sentence and not shared:
            parts.append(Padding(Text(one.sentence, style="dim"), (0, 0, 0, 6)))
    if shared:
        parts.append(Text(shared, style="dim"))
    return Group(*parts)


def colour_of(verdict: str) -> str:
    return "yellow" if verdict.endswith(("above the floor", "all methods are")) else COLOURS.get(verdict, "")


def aligned(cells: Sequence[str], widths: Sequence[int], right: Container[int], last_style: str) -> Text:
    """One line, its last cell coloured."""
    text = Text("  ", style="bold" if last_style == "bold" else "")
    padded = [
        cell.rjust(width) if number in right else cell.ljust(width)
        for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    text.append("  ".join(padded[:-1]) + "  ")
    return text.append(padded[-1].rstrip(), style=last_style)


def heading(section: str) -> Text:
    """The first word stands out."""
    name, _, rest = section.partition("  ")
    return Text.assemble((name, "bold"), (f"  {rest}" if rest else "", "dim"))
