"""mirl: the run contract that every paper keeps, and the suite that runs and judges them.

Papers import `mirl.paper`, `mirl.run`, `mirl.checkpoint`, `mirl.policy`, `mirl.film`, `mirl.config` and
`mirl.measure`; these need numpy, tensorboardX and tyro alone, films imageio-ffmpeg and Pillow besides.
`mirl.suite`, `mirl.verdict` and `mirl.results` belong to the host.
"""

__version__ = "0.1.0"
