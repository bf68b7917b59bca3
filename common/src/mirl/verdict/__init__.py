"""Verdicts: what a run proves about a number in a paper, and what it does not."""
