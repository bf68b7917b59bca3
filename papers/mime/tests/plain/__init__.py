"""Plain, slow twins of the fast code, written for reading: loops over tasks, trajectories and steps, and autograd."""

from plain import dynamics, e_maml, exploration, iteration, maml, pearl, rollout

__all__ = ["dynamics", "e_maml", "exploration", "iteration", "maml", "pearl", "rollout"]
