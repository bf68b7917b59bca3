"""How verdicts look and what they mean: a shape each, so that no reader needs the colour."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Look:
    """The shape is a symbol of templates/shapes.html, the tone a class of assets/report.css."""

    shape: str
    tone: str
    meaning: str


LOOKS = {
    "equivalent": Look("equal", "good", "within the registered margin of the reported number"),
    "better": Look("up", "better", "apart from the reported number, on the better side"),
    "worse": Look("down", "bad", "apart from the reported number, on the worse side"),
    "inconclusive": Look(
        "half", "doubt", "too few seeds, no test that decides, or a reported number that is questioned; never a pass"
    ),
    "no reference": Look("ring", "plain", "finished here; no number was published, or none was found"),
    "not comparable (budget)": Look("square", "plain", "shorter than what the paper reports"),
    "not run": Look("dot", "quiet", "nothing finished here"),
    "holds": Look("check", "good", "the claim is supported by our own seeds"),
    "fails": Look("cross", "bad", "our own seeds speak against the claim"),
    "within": Look("check", "good", "a tiny run as it was recorded"),
    "outside": Look("cross", "bad", "a tiny run that differs from what was recorded"),
    "no band": Look("ring", "plain", "nothing was recorded to hold a tiny run against"),
}
ROW_VERDICTS = ("equivalent", "better", "worse", "inconclusive", "no reference", "not comparable (budget)", "not run")
CLAIM_VERDICTS = ("holds", "fails", "inconclusive", "not run")
PROVENANCE = {
    "paper_table": "printed in a table of the paper",
    "paper_figure": "read off a figure of the paper",
    "author_data": "from data that the authors released",
    "computed": "computed",
    "measured": "measured",
}


def look(verdict: str) -> Look:
    """How a verdict is shown; a word that is not known here gets a shape of its own and no meaning.

    One with a reservation, as in 'equivalent, not above the floor', keeps its shape and loses its good colour.
    """
    word, reservation, _ = verdict.partition(",")
    known = LOOKS.get(word, Look("question", "plain", ""))
    return replace(known, tone="doubt") if reservation else known
