"""The networks (card 5.1): plain tf.Modules whose weights are named, seeded and readable as one flat list."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zlib import crc32

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow import Tensor

from mirl.config import ConfigError

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"elu": tf.nn.elu, "relu": tf.nn.relu, "tanh": tf.tanh}


class Maker:
    """Makes weights: each from a generator of its own, keyed by seed and name, and each named by its place."""

    def __init__(self, seed: int, dtype: tf.DType = tf.float32, prefix: str = "") -> None:
        """`dtype` is what the networks compute in; weights are float32."""
        self.seed, self.dtype, self.prefix = seed, dtype, prefix

    def inside(self, name: str) -> Maker:
        """The maker of a part."""
        return Maker(self.seed, self.dtype, f"{self.prefix}{name}/")

    def zeros(self, name: str, shape: Sequence[int]) -> tf.Variable:
        return tf.Variable(np.zeros(shape, np.float32), name=self.prefix + name)

    def glorot(self, name: str, shape: Sequence[int]) -> tf.Variable:
        """Uniform within sqrt(6 / (fan in + fan out)); shape (..., in, out), the first axes a convolution's window."""
        window = int(np.prod(shape[:-2], dtype=int))
        limit = np.sqrt(6.0 / (window * (shape[-2] + shape[-1])))
        draw = self.generator(name).uniform(-limit, limit, shape)
        return tf.Variable(draw.astype(np.float32), name=self.prefix + name)

    def orthogonal(self, name: str, shape: tuple[int, int]) -> tf.Variable:
        """Rows or columns, whichever are fewer, orthonormal."""
        draw = self.generator(name).standard_normal((max(shape), min(shape)))
        columns, triangle = np.linalg.qr(draw)
        columns = columns * np.sign(np.diag(triangle))
        matrix = columns if shape[0] >= shape[1] else columns.T
        return tf.Variable(matrix.astype(np.float32), name=self.prefix + name)

    def generator(self, name: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, crc32((self.prefix + name).encode())])


class Dense(tf.Module):  # type: ignore[misc]
    """x W + b, then an activation."""

    def __init__(self, make: Maker, inputs: int, outputs: int, activation: str = "") -> None:
        super().__init__()
        self.kernel, self.bias = make.glorot("kernel", (inputs, outputs)), make.zeros("bias", (outputs,))
        self.activation, self.dtype = activation, make.dtype

    def __call__(self, inputs: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)"""
        return self.activate(self.partial(inputs, 0) + tf.cast(self.bias, self.dtype))

    def partial(self, inputs: Tensor, first_row: int) -> Tensor:
        """What `inputs` (..., n) add to the output when they are the layer's inputs from number `first_row` on."""
        rows = inputs.shape[-1]
        flat = tf.reshape(tf.cast(inputs, self.dtype), (-1, rows))
        product = tf.matmul(flat, tf.cast(self.kernel[first_row : first_row + rows], self.dtype))
        return tf.reshape(product, (*known(inputs.shape[:-1]), self.kernel.shape[1]))

    def activate(self, outputs: Tensor) -> Tensor:
        return ACTIVATIONS[self.activation](outputs) if self.activation else outputs


class DenseStack(tf.Module):  # type: ignore[misc]
    """Hidden layers of one activation, then a layer of its own: linear, or as `last_activation` says."""

    def __init__(
        self, make: Maker, inputs: int, hidden: Sequence[int], outputs: int, activation: str, last_activation: str = ""
    ) -> None:
        super().__init__()
        sizes = [inputs, *hidden, outputs]
        activations = [activation] * len(hidden) + [last_activation]
        self.layers = [
            Dense(make.inside(f"dense_{number}"), before, after, act)
            for number, (before, after, act) in enumerate(zip(sizes, sizes[1:], activations, strict=False))
        ]

    def __call__(self, inputs: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs), float32."""
        for layer in self.layers:
            inputs = layer(inputs)
        return tf.cast(inputs, tf.float32)


class ConvEncoder(tf.Module):  # type: ignore[misc]
    """Four convolutions 4x4 of stride 2 on 64x64 pictures: 64 -> 31 -> 14 -> 6 -> 2, flattened."""

    def __init__(self, make: Maker, channels: int, depth: int, activation: str) -> None:
        super().__init__()
        sizes = [channels, depth, 2 * depth, 4 * depth, 8 * depth]
        makers = [make.inside(f"conv_{number}") for number in range(4)]
        pairs = list(zip(makers, sizes, sizes[1:], strict=False))
        self.kernels = [one.glorot("kernel", (4, 4, before, after)) for one, before, after in pairs]
        self.biases = [one.zeros("bias", (after,)) for one, _, after in pairs]
        self.activation, self.dtype, self.size = activation, make.dtype, 4 * 8 * depth

    def __call__(self, pictures: Tensor) -> Tensor:
        """(..., 64, 64, channels) -> (..., 32 * depth), float32"""
        hidden = tf.cast(tf.reshape(pictures, (-1, *pictures.shape[-3:])), self.dtype)
        for kernel, bias in zip(self.kernels, self.biases, strict=True):
            hidden = tf.nn.conv2d(hidden, tf.cast(kernel, self.dtype), 2, "VALID") + tf.cast(bias, self.dtype)
            hidden = ACTIVATIONS[self.activation](hidden)
        return tf.cast(tf.reshape(hidden, (*known(pictures.shape[:-3]), self.size)), tf.float32)


class ConvDecoder(tf.Module):  # type: ignore[misc]
    """A linear layer, then transposed convolutions of stride 2 with windows 5, 5, 6, 6: 1 -> 5 -> 13 -> 30 -> 64."""

    def __init__(self, make: Maker, inputs: int, channels: int, depth: int, activation: str) -> None:
        super().__init__()
        self.dense = Dense(make.inside("dense"), inputs, 32 * depth)
        sizes = [32 * depth, 4 * depth, 2 * depth, depth, channels]
        makers = [make.inside(f"conv_{number}") for number in range(4)]
        pairs = list(zip(makers, (5, 5, 6, 6), sizes, sizes[1:], strict=False))
        # A transposed convolution's kernel is (height, width, out, in); its fans are the same.
        self.kernels = [one.glorot("kernel", (k, k, after, before)) for one, k, before, after in pairs]
        self.biases = [one.zeros("bias", (after,)) for one, _, _, after in pairs]
        self.activation, self.dtype = activation, make.dtype

    def __call__(self, features: Tensor) -> Tensor:
        """(..., inputs) -> (..., 64, 64, channels), float32"""
        leading = known(features.shape[:-1])
        hidden = self.dense(features)
        hidden = tf.reshape(hidden, (-1, 1, 1, hidden.shape[-1]))
        last = len(self.kernels) - 1
        for number, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            hidden = transposed_convolution(hidden, tf.cast(kernel, self.dtype)) + tf.cast(bias, self.dtype)
            hidden = ACTIVATIONS[self.activation](hidden) if number < last else hidden
        return tf.cast(tf.reshape(hidden, (*leading, *hidden.shape[1:])), tf.float32)


def transposed_convolution(pictures: Tensor, kernel: Tensor) -> Tensor:
    """Stride 2, VALID: (n, side, side, in), kernel (window, window, out, in) -> (n, 2 (side - 1) + window, .., out).

    Of a single pixel it is a matrix product, which a CPU computes four times as fast in that form.
    """
    window, _, channels, inputs = kernel.shape
    if pictures.shape[1] == 1:
        flat = tf.matmul(tf.reshape(pictures, (-1, inputs)), tf.reshape(kernel, (-1, inputs)), transpose_b=True)
        return tf.reshape(flat, (-1, window, window, channels))
    side = (pictures.shape[1] - 1) * 2 + window
    return tf.nn.conv2d_transpose(pictures, kernel, (tf.shape(pictures)[0], side, side, channels), 2, "VALID")


class Gru(tf.Module):  # type: ignore[misc]
    """A gated recurrent unit in the form that resets after the matrix product (card 7.3); gates z, r, candidate."""

    def __init__(self, make: Maker, inputs: int, units: int) -> None:
        super().__init__()
        self.kernel = make.glorot("kernel", (inputs, 3 * units))
        self.recurrent_kernel = make.orthogonal("recurrent_kernel", (units, 3 * units))
        self.bias = make.zeros("bias", (2, 3 * units))
        self.dtype = make.dtype

    def __call__(self, inputs: Tensor, state: Tensor) -> Tensor:
        """(B, inputs), (B, units) -> (B, units), float32"""
        bias, before = tf.cast(self.bias, self.dtype), tf.cast(state, self.dtype)
        given = tf.matmul(tf.cast(inputs, self.dtype), tf.cast(self.kernel, self.dtype)) + bias[0]
        kept = tf.matmul(before, tf.cast(self.recurrent_kernel, self.dtype)) + bias[1]
        update_x, reset_x, candidate_x = tf.split(given, 3, -1)
        update_h, reset_h, candidate_h = tf.split(kept, 3, -1)
        update, reset = tf.sigmoid(update_x + update_h), tf.sigmoid(reset_x + reset_h)
        candidate = tf.tanh(candidate_x + reset * candidate_h)
        return tf.cast(update * before + (1.0 - update) * candidate, tf.float32)


def known(shape: tf.TensorShape) -> list[int]:
    """Axes as `tf.reshape` takes them, of which one may be known only when the graph runs."""
    return [-1 if size is None else size for size in shape]


def parameters(module: tf.Module) -> dict[str, NDArray[Any]]:
    """Every weight of a module by name, in a fixed order."""
    return {name: variable.numpy() for name, variable in named_variables(module).items()}


def set_parameters(module: tf.Module, values: Mapping[str, NDArray[Any]]) -> None:
    """Set every weight of a module; raises ConfigError where a name or a shape does not fit."""
    assign(named_variables(module), values)


def assign(variables: Mapping[str, tf.Variable], values: Mapping[str, NDArray[Any]]) -> None:
    """Give variables their values by name; raises ConfigError where a name or a shape does not fit."""
    if set(values) != set(variables):
        other = sorted(set(values) ^ set(variables))[0]
        raise ConfigError(f"the weights do not fit these networks: {other} is on one side only")
    for name, variable in variables.items():
        if values[name].shape != tuple(variable.shape):
            raise ConfigError(f"weight {name} must have shape {tuple(variable.shape)}, got {values[name].shape}")
    for name, variable in variables.items():
        variable.assign(values[name])


def named_variables(module: tf.Module) -> dict[str, tf.Variable]:
    """A module's variables by the name of their place, sorted by it."""
    return {variable.name.removesuffix(":0"): variable for variable in sorted(module.variables, key=lambda v: v.name)}


def count(module: tf.Module) -> int:
    """Numbers in a module's weights."""
    return sum(int(np.prod(variable.shape)) for variable in module.variables)
