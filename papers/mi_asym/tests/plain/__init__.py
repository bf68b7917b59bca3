"""Slow, plain twins of the fast paths, written for reading."""
