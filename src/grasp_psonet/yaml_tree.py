"""A study.yaml as nested plain values, with what YAML passes over in silence refused: keys that stand twice."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from grasp_psonet.errors import SettingsError

# the loader in C, ten times as fast, where PyYAML was built with it
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MOST_NODES = 100_000  # written out: aliases of aliases can stand for more than any memory holds


def read_tree(path: Path) -> dict[str, Any]:
    """The settings in a file by name; {} of an empty one.

    Raises SettingsError where it is no file, not YAML, no group of settings, or holds a key twice, with the lines.
    """
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "a pipe or a device"
        raise SettingsError(
            f"{path} is {kind}; wanted a file\n  next: take it away, or write settings with `grasp init`"
        )
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        _refuse_expansion(path, node)
        _refuse_doubled(path, node)
        read = None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        if isinstance(error, SettingsError):
            raise
        told = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise SettingsError(
            f"{path} is not YAML: {told}\n  next: correct the file, or write it anew with `grasp init`"
        ) from None
    if read is not None and not isinstance(read, dict):
        raise SettingsError(
            f"{path} holds a {type(read).__name__}; wanted: settings by name, as `grasp init` writes them"
        )
    return read or {}


def _refuse_doubled(path: Path, node: yaml.Node | None) -> None:
    doubled = [] if node is None else list(_doubled(node, "", set()))
    if doubled:
        raise SettingsError(
            f"{len(doubled)} key(s) of {path} stand more than once, and the last would win unseen:\n  "
            + "\n  ".join(doubled)
            + "\n  next: keep one of each"
        )


def _doubled(node: yaml.Node, prefix: str, seen: set[int]) -> Iterator[str]:
    """A line for each key that stands more than once in its group, with its lines, from the whole file."""
    if id(node) in seen:  # an alias
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for below in node.value:
            yield from _doubled(below, prefix, seen)
    if not isinstance(node, yaml.MappingNode):
        return
    lines_of: dict[tuple[str, str], list[int]] = defaultdict(list)
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            lines_of[key.tag, key.value].append(key.start_mark.line + 1)
            yield from _doubled(value, f"{prefix}{key.value}.", seen)
    for (_, name), lines in lines_of.items():
        if len(lines) > 1:
            yield f"{prefix}{name} stands in lines {', '.join(map(str, lines[:-1]))} and {lines[-1]}"


def _refuse_expansion(path: Path, node: yaml.Node | None) -> None:
    """Aliases may be used, but not to write a file whose values are larger than any study has."""
    if node is not None and _expanded(node, {}) > _MOST_NODES:
        raise SettingsError(
            f"{path} holds more than {_MOST_NODES} values once its aliases (*) are followed\n  next: write values out"
        )


def _expanded(node: yaml.Node, known: dict[int, int]) -> int:
    """Number of values below a node with every alias written out; one that holds itself counts as too many."""
    if id(node) not in known:
        known[id(node)] = _MOST_NODES + 1  # stands while it is being counted
        below: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            below = node.value
        elif isinstance(node, yaml.MappingNode):
            below = [one for pair in node.value for one in pair]
        known[id(node)] = 1 + sum(_expanded(one, known) for one in below)
    return known[id(node)]
