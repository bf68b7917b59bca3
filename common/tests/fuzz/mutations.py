"""Damage as disks, editors, other programs and typing hands do it; every function takes its generator of chance."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

ODD_BYTES = (
    b"\0", b"\xff\xfe", b"\r\n", b"\n\n", b",", b",,", b'"', b"'", b"{", b"[" * 2000, b"}", b": ", b"- ", b"&a ",
    b"*a ", b"!!python/object:os.system ", b"nan", b"-inf", b"1e999", b"9" * 5000, b"-1", b"0", b"true", b"null",
    b"\xc3\xa9", b"%s",
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**63, 1e308, float("nan"), float("inf"), "", "x", "\0", "../..", "/etc/passwd", "é" * 300,
    [], {}, [[]], [None], {"": None}, {"a": {"b": []}}, ["x"] * 50,
)  # fmt: skip
ODD_WORDS = (
    "", "-", "--", "---", "-h", "=", "0", "-1", "nan", "1e999", "9" * 400, "é", "\x7f", "a b", "*", "--seed", "--task=",
    "--no-", "seed", "@", "a@b@c", "None", "{}", "[1]", "1,2,,3", ",", "'", '"', "\n", "--x=y=z", "%d", "$HOME", "~",
)  # fmt: skip


def damaged_bytes(chance: random.Random, content: bytes) -> bytes:
    """Cut, doubled, overwritten or mixed with what does not belong there, once to three times."""
    for _ in range(chance.randint(1, 3)):
        begin = chance.randrange(len(content) + 1)
        end = min(len(content), begin + chance.choice((1, 8, 200)))
        content = chance.choice(
            (
                content[:begin],
                content[:begin] + content[end:],
                content[:end] + content[begin:],
                content[:begin] + chance.choice(ODD_BYTES) + content[begin:],
                content[:begin] + chance.choice(ODD_BYTES) + content[end:],
                content[:begin] + bytes(chance.randrange(256) for _ in range(end - begin)) + content[end:],
            )
        )
    return content


def damaged_json(chance: random.Random, content: Any) -> Any:
    """A copy of what a JSON file says, in which one value is another, or is missing, or has another name."""
    content = json.loads(json.dumps(content))
    inner = content
    while True:
        keys: list[Any] = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        if not keys:
            return chance.choice(ODD_VALUES)
        key = chance.choice(keys)
        if isinstance(inner[key], (dict, list)) and inner[key] and chance.random() < 0.6:
            inner = inner[key]
            continue
        if isinstance(inner, dict) and chance.random() < 0.3:
            value = inner.pop(key)
            if chance.random() < 0.5:
                inner[chance.choice(ODD_WORDS)] = value
        else:
            inner[key] = chance.choice(ODD_VALUES)
        return content


def damaged_table(chance: random.Random, content: bytes) -> bytes:
    """A CSV file in which one cell is another; in one of three cases its bytes are damaged instead."""
    if chance.random() < 0.33:
        return damaged_bytes(chance, content)
    lines = content.decode().splitlines()
    row = chance.randrange(len(lines))
    cells = lines[row].split(",")
    cells[chance.randrange(len(cells))] = chance.choice(ODD_WORDS)
    lines[row] = ",".join(cells)
    return ("\n".join(lines) + "\n").encode()


def damaged_file(chance: random.Random, content: bytes, said: Any) -> bytes:
    """A JSON or YAML file damaged in its bytes, or whole and saying something odd. `said`: what it says."""
    if chance.random() < 0.4:
        return damaged_bytes(chance, content)
    return json.dumps(damaged_json(chance, said)).encode()


def damaged_words(chance: random.Random, words: Sequence[str]) -> list[str]:
    """A command line with one to three words left out, doubled, exchanged, misspelt or odd."""
    damaged = list(words)
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(damaged)) if damaged else 0
        word = damaged[place] if damaged else ""
        kind = chance.choice(("drop", "double", "swap", "misspell", "odd", "insert"))
        if kind == "drop":
            del damaged[place : place + 1]
        elif kind == "double":
            damaged.insert(place, word)
        elif kind == "swap":
            damaged[place : place + 2] = reversed(damaged[place : place + 2])
        elif kind == "misspell" and word:
            letter = chance.randrange(len(word))
            damaged[place] = (
                word[:letter] + chance.choice(("", "x", word[letter] * 2, word[letter].upper())) + word[letter + 1 :]
            )
        elif kind == "odd":
            damaged[place : place + 1] = [chance.choice(ODD_WORDS)]
        else:
            damaged.insert(place, chance.choice(ODD_WORDS))
    return damaged
