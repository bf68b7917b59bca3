"""What actors hand to the learner: unrolls of T + 1 slots (card 5.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mirl.sending import sent


@dataclass(frozen=True)
class Unrolls:
    """Slots 0 to T of some actors; every tensor but `memory` is (T + 1, columns, ...).

    Slot i holds a record, the action that led to it, and the goal in force during that step. What tells of goals is
    filled by actors with a teacher alone and 0 otherwise.
    """

    frame: Tensor
    """(…, W, H, 3) uint8; where `done`, already the next episode's."""
    carried_object: Tensor
    """uint8, as the frame."""
    carried_colour: Tensor
    reward: Tensor
    """float32, extrinsic."""
    done: Tensor
    """bool."""
    episode_return: Tensor
    """float32, this step included; where `done` the finished episode's."""
    episode_length: Tensor
    """int32, likewise, in steps."""
    goal_steps: Tensor
    """int32: steps since the goal was given, which is also where an episode begins, this one included."""
    action: Tensor
    """int64."""
    policy_logits: Tensor
    """(…, actions)."""
    goal: Tensor
    """int64."""
    teacher_logits: Tensor
    """(…, W * H), the distribution that the goal was drawn from."""
    initial_frame: Tensor
    """(…, W, H, 3) uint8: the frame on which the goal was given."""
    reached: Tensor
    """bool: the goal is met on this frame."""
    first_visit: Tensor
    """bool: the frame is new in its episode; filled for the novelty bonus alone."""
    memory: Tensor
    """(2 * layers, columns, hidden): the LSTM's state before slot 0; no layers without an LSTM."""

    @property
    def columns(self) -> int:
        return self.reward.shape[1]

    @property
    def carried(self) -> tuple[Tensor, Tensor]:
        """Object and colour."""
        return self.carried_object, self.carried_colour

    def tensors(self) -> dict[str, Tensor]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def select(self, start: int, end: int) -> Unrolls:
        """Columns `start` to `end`."""
        return Unrolls(**{name: value[:, start:end] for name, value in self.tensors().items()})

    def to(self, device: str) -> Unrolls:
        tensors = self.tensors()
        return Unrolls(**dict(zip(tensors, moved_together(list(tensors.values()), device), strict=True)))

    def clone(self) -> Unrolls:
        return Unrolls(**{name: value.clone() for name, value in self.tensors().items()})


def moved_together(tensors: Sequence[Tensor], device: str) -> list[Tensor]:
    """The tensors on a device by one copy, as each has its price whatever its size; to the CPU it is a wait."""
    flat = packed(tensors)
    return unpacked(flat.to(device) if device == "cpu" else sent(flat, device), tensors)


def fetched_together(tensors: Sequence[Tensor]) -> Callable[[], list[Tensor]]:
    """The tensors on the CPU, by one copy; the call that this returns waits for it, not for what a GPU is given after.

    PyTorch copies into pinned memory where nobody waits, so that the CPU goes on while a GPU makes these tensors.
    """
    flat = packed(tensors)
    copy = flat.to("cpu", non_blocking=True)
    if not flat.is_cuda:
        return lambda: unpacked(copy, tensors)
    arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
    arrived.record()

    def fetch() -> list[Tensor]:
        arrived.synchronize()
        return unpacked(copy, tensors)

    return fetch


def packed(tensors: Sequence[Tensor]) -> Tensor:
    """Their bytes one after the other."""
    return torch.cat([tensors[i].contiguous().view(-1).view(torch.uint8) for i in wide_first(tensors)])


def unpacked(flat: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Views of `packed` bytes as tensors of these types and shapes."""
    found, start = list(like), 0
    for i in wide_first(like):
        end = start + like[i].numel() * like[i].element_size()
        found[i] = flat[start:end].view(like[i].dtype).view(like[i].shape)
        start = end
    return found


def wide_first(tensors: Sequence[Tensor]) -> list[int]:
    """Their order in packed bytes, in which all are aligned."""
    return sorted(range(len(tensors)), key=lambda i: -tensors[i].element_size())


def join(parts: Sequence[Unrolls]) -> Unrolls:
    """Columns of all parts, one after the other."""
    if len(parts) == 1:
        return parts[0]
    tables = [part.tensors() for part in parts]
    return Unrolls(**{name: torch.cat([table[name] for table in tables], 1) for name in tables[0]})


def empty(steps: int, columns: int, size: tuple[int, int], actions: int, memory: tuple[int, int]) -> Unrolls:
    """Room for `steps` + 1 slots; `size` is the grid's, `memory` the LSTM's (2 * layers, hidden)."""
    slots, cells = (steps + 1, columns), size[0] * size[1]
    kinds: Mapping[str, tuple[tuple[int, ...], torch.dtype]] = {
        "frame": ((*size, 3), torch.uint8), "carried_object": ((), torch.uint8), "carried_colour": ((), torch.uint8),
        "reward": ((), torch.float32), "done": ((), torch.bool), "episode_return": ((), torch.float32),
        "episode_length": ((), torch.int32), "goal_steps": ((), torch.int32), "action": ((), torch.int64),
        "policy_logits": ((actions,), torch.float32), "goal": ((), torch.int64),
        "teacher_logits": ((cells,), torch.float32), "initial_frame": ((*size, 3), torch.uint8),
        "reached": ((), torch.bool), "first_visit": ((), torch.bool),
    }  # fmt: skip
    tensors = {name: torch.zeros(*slots, *shape, dtype=kind) for name, (shape, kind) in kinds.items()}
    return Unrolls(**tensors, memory=torch.zeros(memory[0], columns, memory[1]))
