"""``grasp completion``: a script of bash or zsh that completes commands, options, settings and their values."""

import argparse
from pathlib import Path
from typing import Any

import shtab

from grasp_psonet.commandline.settings_help import described_settings, shown_settings
from grasp_psonet.commandline.words import commands_of
from grasp_psonet.presets import PRESETS


def completion_script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script; ``run`` and ``demo`` complete every setting, other commands those that their help shows."""
    for name, command in commands_of(parser).items():
        parts = shown_settings(name)
        if parts or name in ("run", "demo", "init"):
            _add_settings(command, parts)
        action: Any  # what shtab reads is an attribute that argparse does not know
        for action in command._actions:
            if action.dest == "study":
                action.complete = shtab.DIRECTORY
            elif action.type is Path:
                action.complete = shtab.FILE
            elif action.dest == "preset":
                action.choices = list(PRESETS)
    return str(shtab.complete(parser, shell))


def _add_settings(command: argparse.ArgumentParser, parts: tuple[str, ...]) -> None:
    for dotted, (text, _, values) in described_settings(parts).items():
        choices = list(values.choices) or None
        command.add_argument(f"--{dotted}", choices=choices, help=text.partition(";")[0].replace("%", "%%"))
