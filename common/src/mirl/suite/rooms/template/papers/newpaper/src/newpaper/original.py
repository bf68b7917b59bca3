"""The original's command line, as ours (card 2.2)."""

from __future__ import annotations

from collections.abc import Sequence

from mirl.config import ConfigError

FLAGS: dict[str, str] = {}
"""Flag of the original -> option of `train`, as "--env_name": "--task"; what it calls its tasks and methods has to be
translated as well."""


def translate(words: Sequence[str]) -> list[str]:
    """The original's flags -> `train ...`; raises ConfigError for one that is not known."""
    translated = ["train"]
    for word in words:
        flag, equals, value = word.partition("=")
        if word.startswith("-") and flag not in FLAGS:
            known = ", ".join(FLAGS) or "none yet, see src/newpaper/original.py"
            raise ConfigError(f"{flag} is no flag of the original that is understood (flags: {known})")
        translated.append(f"{FLAGS.get(flag, flag)}{equals}{value}")
    return translated
