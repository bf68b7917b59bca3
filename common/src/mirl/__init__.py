"""mirl: the run contract that every paper keeps, and the suite that runs and judges them.

Papers import `mirl.paper`, `mirl.run`, `mirl.checkpoint`, `mirl.config` and `mirl.measure`; these need
numpy, tensorboardX and tyro alone. Everything in `mirl.suite` and `mirl.verdict` belongs to the host.
"""

__version__ = "0.1.0"
