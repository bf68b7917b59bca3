"""The NVIDIA cards of this host, and which of them CUDA_VISIBLE_DEVICES leaves to a process."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mirl.config import ConfigError

VISIBLE, ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
BY_BUS = "PCI_BUS_ID"
"""The value of ORDER with which CUDA counts cards as nvidia-smi does. By default it counts the fastest first."""
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Card:
    """A whole card, or one slice of a card that is divided (MIG)."""

    uuid: str
    """GPU-… or MIG-…: names it in CUDA_VISIBLE_DEVICES whatever the order in which cards are counted."""
    number: int
    """Of the card, as nvidia-smi counts: along the PCI bus."""
    model: str


def device_files() -> list[Path]:
    """What the driver makes for each card; a container may have that of the second card alone."""
    return sorted(Path("/dev").glob("nvidia[0-9]*"))


def all_cards() -> list[Card]:
    """What the driver shows, a card that is divided as its slices; none without a driver that answers."""
    smi = shutil.which("nvidia-smi")
    if not smi:
        return []
    try:
        listed = subprocess.run([smi, "-L"], capture_output=True, text=True, timeout=PATIENCE_S).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    cards: list[Card] = []
    for line in listed.splitlines():
        if card := re.match(r"GPU (\d+): (.*) \(UUID: ([^)]+)\)", line):
            cards.append(Card(card[3], int(card[1]), card[2]))
        elif (part := re.match(r"\s+MIG (\S+) .*\(UUID: ([^)]+)\)", line)) and cards:
            whole = cards[-1]
            if whole.uuid.startswith("GPU-"):  # no process can use it as a whole
                cards.pop()
            model = whole.model.partition(" MIG ")[0]
            cards.append(Card(part[2], whole.number, f"{model} MIG {part[1]}"))
    return cards


def visible_cards(cards: Sequence[Card]) -> list[Card]:
    """Those of `cards` that CUDA_VISIBLE_DEVICES leaves; like CUDA, none from the first name on that fits no card.

    Raises ConfigError where it counts cards of different models in CUDA's own order, which nvidia-smi does not tell.
    """
    chosen = os.environ.get(VISIBLE)
    if chosen is None:
        return list(cards)
    left: list[Card] = []
    for word in map(str.strip, chosen.split(",")):
        if word.isdigit() and os.environ.get(ORDER) != BY_BUS and len({card.model for card in cards}) > 1:
            raise ConfigError(
                f"{VISIBLE}={chosen} counts the cards of this host by their speed, and they differ ("
                f"{', '.join(card.model for card in cards)}); set {ORDER}={BY_BUS} or name UUIDs (nvidia-smi -L)"
            )
        found = [card for card in cards if fits(word, card)]
        if not found:
            break
        left += [card for card in found[:1] if card not in left]
    return left


def fits(word: str, card: Card) -> bool:
    """Whether a word of CUDA_VISIBLE_DEVICES means this card: its number, or the beginning of its UUID."""
    if word.isdigit():
        return int(word) == card.number
    return len(word) > len("GPU-") and card.uuid.startswith(word)


def why_hidden(cards: Sequence[Card]) -> str:
    """What CUDA_VISIBLE_DEVICES hides of this host's cards, in a sentence; '' where it is not set or hides nothing."""
    chosen = os.environ.get(VISIBLE)
    if chosen is None or (not cards and chosen.strip() in ("", "-1")):
        return ""
    if not cards:
        return f"{VISIBLE}={chosen} names a card, and no driver shows one"
    left = visible_cards(cards)
    words = [word.strip() for word in chosen.split(",")]
    missing = next((word for word in words if not any(fits(word, card) for card in cards)), None)
    if not left:
        return f"{VISIBLE}={chosen or repr(chosen)} names none of the cards of this host ({len(cards)})"
    if missing is not None:
        return (
            f"{VISIBLE}={chosen} names {missing or 'nothing'}, which is not here; CUDA sees only what comes before it"
        )
    return ""
