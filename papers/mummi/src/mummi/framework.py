"""TensorFlow as this package wants it; loaded here first, its graphs are built as they should be."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["prepare", "tf"]


@contextmanager
def stderr_closed() -> Iterator[None]:
    """Keep a library's own notices, written past Python, away from the user."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


with stderr_closed():  # a TensorFlow for GPUs complains of their absence, whatever its log level
    import tensorflow as tf

    tf.config.list_physical_devices()

# TensorFlow 2.19's graph rewriter turns sums of gradients inside nested loops into temporary variables that outlive
# their step: the second call fails with AlreadyExistsError. Without it, updates take as long as before on a CPU, and
# XLA (jit_compile) has a rewriter of its own.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def prepare(threads: int, device: str) -> None:
    """Fix thread counts before anything is computed, and on the CPU deterministic kernels; `device`: cpu or cuda."""
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    if tf.config.threading.get_inter_op_parallelism_threads() != 1:
        tf.config.threading.set_inter_op_parallelism_threads(1)
    if device == "cpu" and tf.config.get_visible_devices("GPU"):
        tf.config.set_visible_devices([], "GPU")
    for gpu in tf.config.get_visible_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    if device == "cpu":
        tf.config.experimental.enable_op_determinism()
