"""Modules only: layers with the original's initial values, embedders, memories, heads, stage 2's encoders."""
