"""REINFORCE with and without a learned baseline on CartPole: a learner that works, to be replaced by the paper's."""
