"""The host half: plans, runs, judges and checks experiments. It never imports a paper."""
