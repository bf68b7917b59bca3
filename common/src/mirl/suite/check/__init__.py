"""`mirl check`: many small named checks over a results tree. Loading, checking and reporting are apart."""

from __future__ import annotations

from pathlib import Path

from mirl.suite.check import environment, privacy, registration, runs, tables, tabular
from mirl.suite.check.findings import CHECKS, Check, Finding, run_checks
from mirl.suite.check.loader import Tree, load
from mirl.suite.check.registration import ask
from mirl.suite.check.report import failed, render
from mirl.suite.experiments import Experiments

__all__ = ["CHECKS", "Check", "Finding", "Tree", "ask", "check", "failed", "load", "render", "run_checks"]

MODULES = (registration, runs, environment, tabular, tables, privacy)
"""Imported for the checks that they register."""


def check(path: Path, experiments: Experiments) -> list[Finding]:
    """Every fault of a results folder, one of its parts, or one run directory; raises ConfigError for other folders."""
    return run_checks(load(path), experiments)
