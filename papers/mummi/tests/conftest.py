"""One thread and one TensorFlow for all tests."""

from __future__ import annotations

from mummi.framework import prepare

prepare(1, "cpu")
