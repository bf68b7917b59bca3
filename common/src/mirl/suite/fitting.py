"""Tables that never cut what names a run: where a terminal is too narrow for columns, each row becomes a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

GAP = 2
"""Blanks between columns."""


@dataclass(frozen=True)
class Row:
    """One run or experiment."""

    name: Sequence[str]
    """What identifies it; shown whole."""
    cells: Sequence[str]
    """What is said of it."""
    note: str = ""
    """A sentence; it takes as many lines as it needs."""
    style: str = ""
    """Of the cell in the column `coloured`."""


@dataclass(frozen=True)
class FittingTable:
    """Rows under their heads, as columns where the terminal is wide enough, else stacked."""

    names: Sequence[str]
    """Heads of what identifies a row."""
    heads: Sequence[str]
    """Heads of the cells; one may be empty."""
    rows: Sequence[Row]
    coloured: str = ""
    """The head of the column that has the rows' style."""
    right: Sequence[str] = ()
    """Heads of numbers."""
    note_width: int = 0
    """Columns that notes need beside the others; 0: there are no notes."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widths = [max(map(len, column)) for column in zip(self.all_heads, *self.all_cells, strict=True)]
        needed = sum(widths) + GAP * (len(widths) - 1) + (GAP + self.note_width if self.note_width else 0)
        if needed <= options.max_width:
            yield self.columns()
        else:
            yield from self.stack()

    @property
    def all_heads(self) -> list[str]:
        return [*self.names, *self.heads]

    @property
    def all_cells(self) -> list[list[str]]:
        return [[*row.name, *row.cells] for row in self.rows]

    def columns(self) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
        for head in self.all_heads:
            table.add_column(head, justify="right" if head in self.right else "left", no_wrap=True)
        if self.note_width:
            table.add_column("last", overflow="fold")
        for row in self.rows:
            cells = [
                self.cell(head, cell, row) for head, cell in zip(self.all_heads, [*row.name, *row.cells], strict=True)
            ]
            table.add_row(*cells, *([Text(row.note)] if self.note_width else []))
        return table

    def stack(self) -> list[RenderableType]:
        """A line that names the row and, indented beneath, what is said of it."""
        lines: list[RenderableType] = []
        for row in self.rows:
            lines.append(Text("  ".join(filter(None, row.name)), style="bold", overflow="fold"))
            said = [
                Text.assemble(f"{head} " if head and head != self.coloured else "", self.cell(head, cell, row))
                for head, cell in zip(self.heads, row.cells, strict=True)
                if cell
            ]
            lines += [Padding(one, (0, 0, 0, 4)) for one in (Text("  ").join(said), Text(row.note)) if one]
        return lines

    def cell(self, head: str, cell: str, row: Row) -> Text:
        return Text(cell, style=row.style if head == self.coloured else "")
