"""What `mirl check` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mirl.suite.check.findings import CHECKS, Finding

STYLES = {"error": "red", "warning": "yellow"}


def render(findings: Sequence[Finding], census: str = "", root: Path | None = None) -> RenderableType:
    """Findings by place, then a line that counts. `census`: what was looked at; `root`: paths are shown from there."""
    parts: list[RenderableType] = []
    for path, group in groupby(findings, key=lambda finding: finding.path):
        parts.append(Text(shorten(path, root or Path.cwd()), style="bold"))
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for finding in group:
            table.add_row(
                Text(f"  {finding.severity}", style=STYLES[finding.severity]), finding.check, Text(finding.sentence)
            )
        parts.append(table)
    parts.append(Text(summary(findings, census), style="green" if not findings else ""))
    return Group(*parts)


def summary(findings: Sequence[Finding], census: str) -> str:
    """'12 run directories, 3 tables, 0 verdicts; 35 checks: 2 errors, 1 warning'."""
    counts = Counter(finding.severity for finding in findings)
    words = [f"{counts[kind]} {kind}{'' if counts[kind] == 1 else 's'}" for kind in ("error", "warning")]
    return f"{f'{census}; ' if census else ''}{len(CHECKS)} checks: {', '.join(words)}"


def shorten(path: Path, root: Path) -> str:
    root = root.resolve()
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def failed(findings: Sequence[Finding]) -> bool:
    """True where the exit code must say so; warnings do not."""
    return any(finding.severity == "error" for finding in findings)
