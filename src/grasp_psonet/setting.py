"""How a setting is declared: a field of a frozen dataclass with a default and one line of help.

Rooms declare their settings with the standard library alone, so that numeric code runs where pydantic is not installed;
``settings.py`` parses the whole tree with pydantic.
"""

import dataclasses
from dataclasses import field
from typing import Any

from grasp_psonet.errors import SettingsError

_NEWER = "newer"
STRICT = {"extra": "forbid"}  # read by pydantic from ``__pydantic_config__``: unknown keys are errors


def setting(default: Any, help: str) -> Any:  # noqa: A002  the word users know it by
    """A dataclass field with its default (a mutable default is copied through its type) and one line of help."""
    return field(default=default, metadata={"help": help})


def newer_setting(default: Any, text: str) -> Any:
    """The same of a setting that stages were made before: at its default it is not recorded, and what stands stays valid."""
    return field(default=default, metadata={"help": text, _NEWER: True})


def newer_mapping(text: str) -> Any:
    """The same of a mapping that is empty by default."""
    return field(default_factory=dict, metadata={"help": text, _NEWER: True})


def group(kind: type) -> Any:
    """A dataclass field that holds a group of settings, at the group's own defaults."""
    return field(default_factory=kind, metadata={"help": (kind.__doc__ or "").strip().splitlines()[0]})


def refuse_unless(condition: bool, path: str, value: object, wanted: str) -> None:
    """Raises SettingsError naming the setting, the value seen and what is wanted."""
    if not condition:
        raise SettingsError(f"setting {path} is {value!r}; wanted: {wanted}")


def recorded_tree(settings: Any) -> dict[str, Any]:
    """The same as ``as_tree``, without newer settings that are at their default: for the notes of stages."""
    tree = as_tree(settings)
    for one in dataclasses.fields(settings):
        value = getattr(settings, one.name)
        if dataclasses.is_dataclass(value):
            tree[one.name] = recorded_tree(value)
            if not tree[one.name]:  # a group of newer settings alone
                del tree[one.name]
        elif one.metadata.get(_NEWER) and value == _default_of(one):
            del tree[one.name]
    return tree


def _default_of(one: "dataclasses.Field[Any]") -> Any:
    return one.default_factory() if one.default_factory is not dataclasses.MISSING else one.default


def as_tree(settings: Any) -> dict[str, Any]:
    """Plain nested values (lists for tuples), the same for equal settings: for YAML files and for digests."""
    return {
        field.name: as_tree(value)
        if dataclasses.is_dataclass(value)
        else list(value)
        if isinstance(value, tuple)
        else value
        for field in dataclasses.fields(settings)
        for value in [getattr(settings, field.name)]
    }
