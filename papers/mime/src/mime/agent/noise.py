"""MAML+noise: MAML whose rewards are blurred, the simplest way to get a gradient where no reward was seen."""

from __future__ import annotations

from torch import Tensor

from mime.agent.maml import MamlAgent
from mime.config import MamlNoiseConfig
from mime.rollout import Episodes
from mime.streams import Streams
from mime.surrogate import Experience


class MamlNoiseAgent(MamlAgent):
    """MAML whose standardised rewards carry normal noise in training (card 5.2, step 4)."""

    config: MamlNoiseConfig

    def explores(self, iteration: int | None) -> bool:
        return iteration is not None

    def bonus(self, episodes: Episodes, before: list[Experience], draw: Streams, purpose: str) -> Tensor:
        return draw.normal(f"{purpose} noise", *episodes.rewards.shape)

    def scaled(self, bonus: Tensor) -> Tensor:
        return self.config.noise_sd * bonus

    def learning_rewards(self, extrinsic: Tensor, intrinsic: Tensor | None) -> Tensor:
        return extrinsic if intrinsic is None else extrinsic + intrinsic
