"""A CUDA device that is not there, for tests: PyTorch programs run with `--device cuda`, and a CPU does the arithmetic.

    papers/mime/.venv/bin/python tests/simulated_device -m mime train --device cuda ...

    with simulated_device() as counts:
        ...

It keeps book of which tensors would lie on the device, and raises what PyTorch raises where a card would refuse:
tensors of two devices in one operation (a CPU tensor without dimensions may stand beside device tensors in elementwise
ones), `numpy()` of a device tensor, a generator of another device, a CPU tensor indexed by a device tensor. It counts
what is launched, what the host waits for, and what is copied. A blocking copy to the device is a wait: PyTorch lets
the stream run dry before it returns.

What it cannot see, and only a card shows:

- the kernels' own arithmetic: TF32, the order of sums, cuDNN's and cuBLAS's choices, half precision, nondeterminism;
- a generator's numbers: a card draws others from the same seed;
- memory that runs out, fragments or is pinned; it says that nothing is allocated;
- streams, events and races: every operation is done when it returns, so that a non-blocking copy is always in time;
- which of ATen's operations are one kernel there and many here, or the other way: a GRU or LSTM is counted as one
  launch forwards and one backwards, where cuDNN launches some; an operation that is several kernels (a sort, a
  large reduction) is counted once;
- device code in other threads and processes, CUDA graphs, torch.compile, custom kernels, several cards;
- inner calls of functions that PyTorch wrote in Python (`deepcopy` apart) that ask for a tensor's device by themselves;
- times: a launch costs here what a CPU takes for all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from simulated_device.calls import Calls
from simulated_device.counts import Counts
from simulated_device.cuda import card
from simulated_device.operations import Operations
from simulated_device.placement import Placement

__all__ = ["Counts", "simulated_device"]


@contextmanager
def simulated_device(fused: bool = True) -> Iterator[Counts]:
    """A block in which PyTorch has one card; what is done with it is counted.

    fused: a GRU or LSTM is one launch forwards and one backwards, else what a CPU makes of it.
    """
    placement, counts = Placement(), Counts()
    operations = Operations(placement, counts)
    calls = Calls(placement, operations, fused)
    with card(placement, counts), calls.in_backward_passes(), operations, calls:
        yield counts
