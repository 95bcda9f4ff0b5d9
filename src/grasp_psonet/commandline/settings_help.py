"""What help says of settings: path, default, meaning, and which values it takes; looked up only when help is shown."""

import argparse
import dataclasses
from collections.abc import Iterator
from typing import Any

from grasp_psonet.setting_values import Values, values_of
from grasp_psonet.stages.steps import STEPS

# the parts of the settings tree that a command which is no stage reads first
_SHOWN = {
    "cohort": ("cohort", "cohort_seed", "severity"),
    "revise": ("revise",),
    "check": ("seed", "severity", "tables", "split", "photos"),
    "read": ("reading",),
}


class Epilog(str):
    """What follows the options of a command's help: its settings, and the next step."""

    __slots__ = ("command",)
    command: str

    def __new__(cls, command: str, next_step: str) -> "Epilog":
        made = super().__new__(cls, f"next: {next_step}\n")
        made.command = command
        return made


class LazyHelp(argparse.RawDescriptionHelpFormatter):
    """Help in which an ``Epilog`` has its settings in front of it."""

    def add_text(self, text: str | None) -> None:
        if isinstance(text, Epilog) and (parts := shown_settings(text.command)):
            super().add_text("settings (in study.yaml, or here by path):\n" + "\n".join(settings_lines(parts)))
        super().add_text(text)


def shown_settings(command: str) -> tuple[str, ...]:
    """Settings and groups that a command reads first, by path; none of a command that takes none."""
    return next((step.shown for step in STEPS if step.name == command), _SHOWN.get(command, ()))


def settings_lines(parts: tuple[str, ...] = ()) -> Iterator[str]:
    """Three lines for each setting of these parts of the tree; for every setting where no part is named."""
    for dotted, (text, default, values) in described_settings(parts).items():
        shown = list(default) if isinstance(default, tuple) else default
        yield f"  --{dotted} {'' if shown is None else shown}".rstrip()
        yield f"        {text}"
        yield f"        values: {values.words}"


def described_settings(parts: tuple[str, ...] = ()) -> dict[str, tuple[str, object, Values]]:
    """Help, default and values of each setting of these parts, by path."""
    from grasp_psonet.settings import dotted_paths

    kinds = _group_types()
    return {
        dotted: (text, default, values_of(kinds[dotted.rpartition(".")[0]], dotted.rpartition(".")[2], dotted))
        for dotted, (text, default) in dotted_paths().items()
        if not parts or any(dotted == part or dotted.startswith(part + ".") for part in parts)
    }


def _group_types() -> dict[str, type]:
    """The type of every group of settings, by its path; that of the whole tree under the empty one."""
    from grasp_psonet.settings import StudySettings

    found: dict[str, type] = {"": StudySettings}
    todo: list[tuple[str, Any]] = [("", StudySettings())]
    while todo:
        path, group = todo.pop()
        for field in dataclasses.fields(group):
            below = getattr(group, field.name)
            if dataclasses.is_dataclass(below):
                name = f"{path}.{field.name}".removeprefix(".")
                found[name] = type(below)
                todo.append((name, below))
    return found
