"""``grasp help``: a command, all settings, or the settings below a path; what is mistyped is answered with what is near."""

import argparse
import difflib
from collections.abc import Iterable

from grasp_psonet.commandline.settings_help import settings_lines
from grasp_psonet.commandline.words import commands_of


def help_on(parser: argparse.ArgumentParser, topic: str | None) -> str:
    """The text. Ends the program as a fault of usage does, with the nearest topic, where there is none of this name."""
    if topic is None:
        return parser.format_help()
    commands = commands_of(parser)
    if topic in commands:
        return commands[topic].format_help()
    path = "" if topic == "settings" else topic.removeprefix("--").removeprefix("settings.")
    lines = list(settings_lines((path,) if path else ()))
    if not lines:
        from grasp_psonet.settings import dotted_paths

        parser.error(f"no help on {topic!r}{did_you_mean(path, [*commands, *dotted_paths()])}")
    return f"settings (in study.yaml, or by path on the command line){f' below {path}' if path else ''}:\n" + (
        "\n".join(lines) + "\n"
    )


def did_you_mean(word: str, known: Iterable[str], dashes: str = "") -> str:
    """``; did you mean ...?`` with what is written most like the word; empty where nothing is."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {dashes}{near[0]}?" if near else ""
