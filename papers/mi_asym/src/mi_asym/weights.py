"""Files of weights, ours and those of the original's authors, whose tensors have other names (card 6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mirl.config import ConfigError

Weights = dict[str, Tensor]
OF_VECTORS = {"blocks.fc0.0": "first.0", "blocks.fc1.0": "rest.0", "blocks.embedder.embedder": "rest.2"}
"""Layers of a vector's encoder, theirs -> ours."""
OF_IMAGES = {
    "blocks.conv0.0": "first.0", "blocks.conv1.0": "rest.0.0", "blocks.conv2.0": "rest.1.0",
    "blocks.embedder.embedder": "rest.3",
}  # fmt: skip


def load_weights(module: nn.Module, path: Path) -> None:
    """Read a state dict into a module; an encoder may be the original's file. Raises ConfigError in one line where it
    is absent, unreadable or of another shape."""
    weights = our_names(read_weights(path))
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise ConfigError(f"{path} does not hold this task's weights: {in_one_line(error)}") from None


def our_names(weights: Mapping[str, Tensor]) -> Weights:
    """An encoder's weights under our names, whoever wrote them; unknown names stay as they are."""
    layers = OF_IMAGES if "blocks.conv0.0.weight" in weights else OF_VECTORS
    found = {}
    for name, value in weights.items():
        layer, _, kind = name.rpartition(".")
        found[f"{layers[layer]}.{kind}" if layer in layers else name] = value
    return found


def read_weights(path: Path) -> Weights:
    """A file of tensors by name; nothing in it is executed. Raises ConfigError in one line."""
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist") from None
    except Exception as error:  # whatever torch's reader makes of a file that is none of ours
        raise ConfigError(f"{path} does not hold weights that can be read safely: {in_one_line(error)}") from None
    if not (isinstance(content, dict) and content and all(isinstance(value, Tensor) for value in content.values())):
        raise ConfigError(f"{path} does not hold weights by name")
    return dict(content)


def in_one_line(error: Exception) -> str:
    """The first 200 characters of an error, its line breaks as blanks."""
    return " ".join(str(error).split())[:200]
