"""Plain, slow twins of the fast code, written for reading: loops over tasks, trajectories and steps, and autograd."""

from plain import dog, dynamics, e_maml, exploration, iteration, maml, pearl, rollout

__all__ = ["dog", "dynamics", "e_maml", "exploration", "iteration", "maml", "pearl", "rollout"]
