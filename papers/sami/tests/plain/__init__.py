"""Plain, slow twins of the fast code, written for reading."""

from plain import learning

__all__ = ["learning"]
