"""Plain, slow twins of the fast code, written for reading: loops over tasks, trajectories and steps, and autograd."""

from plain import dynamics, exploration, iteration, maml, rollout

__all__ = ["dynamics", "exploration", "iteration", "maml", "rollout"]
