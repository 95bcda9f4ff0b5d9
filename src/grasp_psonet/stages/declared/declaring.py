"""What a stage depends on of the settings, as a value of its own: recorded in its note, and all that its maker is given."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from grasp_psonet.setting import recorded_tree
from grasp_psonet.stage import Task

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from grasp_psonet.settings import StudySettings

    N = TypeVar("N", bound=DataclassInstance)
else:
    N = TypeVar("N")

_AT, _UNLESS = "at", "unless"


def at(path: str, **unless: Any) -> Any:
    """A field of a stage's needs that is taken from this place of the settings tree; without it, from the field's name.

    ``unless=value``: not recorded where it has this value, that of all stages made before there was the setting.
    """
    return dataclasses.field(metadata={_AT: path, **unless})


def needs_of(kind: type[N], settings: "StudySettings") -> N:
    """The needs of a stage, out of the whole tree."""
    return kind(**{field.name: _value(settings, _path(field)) for field in dataclasses.fields(kind)})


def recorded(own: "DataclassInstance") -> dict[str, Any]:
    """The needs as they stand in the note of a stage: plain values by their path in the settings tree."""
    tree = recorded_tree(own)
    return {
        _path(field): tree[field.name]
        for field in dataclasses.fields(own)
        if field.name in tree and (_UNLESS not in field.metadata or field.metadata[_UNLESS] != tree[field.name])
    }


def unrecorded(kind: type[N]) -> dict[str, Any]:
    """By path of the settings tree, the values that a stage of these needs has where its note names none."""
    return {_path(one): one.metadata[_UNLESS] for one in dataclasses.fields(kind) if _UNLESS in one.metadata}


def declared(
    title: str,
    folder: Path,
    own: N,
    inputs: Mapping[str, Path | str],
    make: Callable[[Path, N], None],
    resumable: bool = False,
) -> Task:
    """A task that depends on these settings; ``make`` gets the folder to fill and them, and no others."""
    return Task(title, folder, recorded(own), inputs, lambda partial: make(partial, own), resumable)


def _path(field: "dataclasses.Field[Any]") -> str:
    return str(field.metadata.get(_AT, field.name))


def _value(settings: Any, path: str) -> Any:
    for name in path.split("."):
        settings = getattr(settings, name)
    return settings
