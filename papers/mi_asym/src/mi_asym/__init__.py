"""SaMI: skill-aware mutual information for contextual meta-reinforcement learning."""

import gym_notices.notices  # type: ignore[import-untyped]

gym_notices.notices.notices.clear()  # gym 0.23.0 is pinned on purpose; its plea to upgrade would stand above each error
