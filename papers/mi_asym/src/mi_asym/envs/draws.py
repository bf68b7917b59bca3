"""Random draws keyed by what they are for: no generator to carry, to share or to checkpoint."""

from __future__ import annotations

from zlib import crc32

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""Odd number nearest to 2^64 over the golden ratio: the step of splitmix64."""


def stream_key(seed: int, purpose: str) -> int:
    """64 bits keyed by (seed, purpose): training and evaluation environments of one seed draw apart."""
    return int(np.random.SeedSequence([seed, crc32(purpose.encode())]).generate_state(1, np.uint64)[0])


def uniforms(key: int, environment: np.ndarray, episode: np.ndarray, draw: int) -> np.ndarray:
    """Uniform float64 numbers in [0, 1) keyed by (key, environment, episode, draw); integer arrays (n,).

    Source: the finaliser of splitmix64 (Steele, Lea and Flood 2014), once for each part of the key.
    """
    bits = np.full(np.shape(environment), key, np.uint64)
    for part in (environment, episode, np.full(np.shape(environment), draw)):
        bits = mixed(bits + GOLDEN * (np.asarray(part).astype(np.uint64) + np.uint64(1)))
    return (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53


def mixed(bits: np.ndarray) -> np.ndarray:
    """Scramble uint64 numbers, one to one."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    scrambled: np.ndarray = bits ^ (bits >> np.uint64(31))
    return scrambled


def episode_generator(key: int, environment: int, episode: int) -> np.random.Generator:
    """A generator for one episode, where its world needs more than a few draws."""
    return np.random.default_rng([key, environment, episode])
