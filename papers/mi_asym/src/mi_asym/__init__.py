"""MI-Asym: mutual information for asymmetric learning under partial observability."""

import gym_notices.notices  # type: ignore[import-untyped]

gym_notices.notices.notices.clear()  # gym 0.22.0 is pinned on purpose; its plea to upgrade would stand above each error
