"""The generator of gym-minigrid's layouts, compiled: one MT19937 stream an environment, bit-equal to NumPy's.

A stream is a row of 625 32-bit words: the 624 of the generator and how many of them are used up. Drawing from the
oracle's own generator makes every layout of a seed the oracle's layout of that seed, so that "the same distribution"
needs no argument.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from amigo.envs.compiled import INT, STREAM, VOID, compiled_as

Stream = NDArray[np.uint32]
"""One row of 625 words."""

WORDS = 624
STREAM_LENGTH = WORDS + 1


def stream_of(env_seed: int) -> Stream:
    """The stream (625 words) that `env.seed(env_seed)` sets in gym 0.17.2, for whole numbers from 0."""
    number = int.from_bytes(hashlib.sha512(str(env_seed % 2**64).encode()).digest()[:8], "little")
    keys = [number % 2**32, number // 2**32] if number >= 2**32 else [number]
    return stream_from(np.random.RandomState(keys))


def stream_from(source: np.random.RandomState) -> Stream:
    """The present stream of a NumPy generator."""
    _, words, position, *_ = source.get_state(legacy=True)
    return np.append(np.asarray(words), position).astype(np.uint32)


@compiled_as(VOID(STREAM))
def refill(stream: Stream) -> None:
    """Make the next 624 words."""
    for k in range(WORDS):
        joined = (np.int64(stream[k]) & 0x80000000) | (np.int64(stream[(k + 1) % WORDS]) & 0x7FFFFFFF)
        word = np.int64(stream[(k + 397) % WORDS]) ^ (joined >> 1)
        if joined & 1:
            word ^= 0x9908B0DF
        stream[k] = word
    stream[WORDS] = 0


@compiled_as(INT(STREAM))
def next_word(stream: Stream) -> int:
    """32 random bits."""
    if stream[WORDS] >= WORDS:
        refill(stream)
    word = np.int64(stream[stream[WORDS]])
    stream[WORDS] += 1
    word ^= word >> 11
    word ^= (word << 7) & 0x9D2C5680
    word ^= (word << 15) & 0xEFC60000
    return int(word ^ (word >> 18))


@compiled_as(INT(STREAM, INT, INT))
def draw(stream: Stream, low: int, high: int) -> int:
    """A whole number from low to high − 1, as RandomState.randint draws it: masked bits until they fit.

    A range of one number uses no random bits.
    """
    span = high - 1 - low
    if span == 0:
        return low
    mask = 1
    while mask < span:
        mask = 2 * mask + 1
    value = next_word(stream) & mask
    while value > span:
        value = next_word(stream) & mask
    return low + value
