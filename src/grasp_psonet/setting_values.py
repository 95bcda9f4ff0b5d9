"""Which values a setting may have, in words: from its type, and from what its group of settings refuses."""

import dataclasses
import re
import types
from functools import lru_cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from grasp_psonet.errors import SettingsError

_PLAIN = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_UNNAMED = "a value"  # of a type that only a longer text could tell
# values that no setting takes whole: what a group says of them is the range that it wants
_PROBES: dict[type, tuple[Any, ...]] = {int: (-1, 0, 10**9), float: (-1.0, 0.0, 1e9), str: ("?",)}


@dataclasses.dataclass(frozen=True)
class Values:
    """What a setting takes: ``words`` for people, ``choices`` where only these words can stand."""

    words: str
    choices: tuple[str, ...] = ()


def values_of(kind: type, name: str, path: str) -> Values:
    """Of the field ``name`` of a group of settings of this type, which users know as ``path``."""
    hint = _hints(kind)[name]
    words, asked = _words(hint), _refusals(kind, name, path)
    if asked and words.startswith("text"):
        words = asked  # which says which text
    elif asked:
        words += f"; {asked}"
    return Values(words, _choices(hint))


@lru_cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _words(hint: Any) -> str:
    origin, parts = get_origin(hint), get_args(hint)
    if hint is bool:
        return _PLAIN[bool]
    if choices := _choices(hint):
        return "one of " + ", ".join(choices)
    if origin in (Union, types.UnionType):
        told = dict.fromkeys(_words(part) for part in parts if part is not type(None))
        return " or ".join(word for word in told if word != _UNNAMED) + (", or null" if type(None) in parts else "")
    if origin is tuple:
        inner = [part for part in parts if part is not Ellipsis]
        if len(inner) == len(parts):
            return "a list of " + ", ".join(_words(part) for part in inner)
        return f"a list, each {_words(inner[0])}"
    if origin is dict:
        return f"a mapping from {_words(parts[0])} to {_words(parts[1])}"
    return _PLAIN.get(hint, _UNNAMED)


def _choices(hint: Any) -> tuple[str, ...]:
    """The words of which one must stand; none where numbers or other text may."""
    if hint is bool:
        return ("true", "false")
    if get_origin(hint) is Literal:
        return tuple(str(part) for part in get_args(hint))
    if get_origin(hint) in (Union, types.UnionType):
        parts = [_choices(part) for part in get_args(hint)]
        return tuple(one for part in parts for one in part) if all(parts) else ()
    return ()


def _refusals(kind: type, name: str, path: str) -> str:
    """What the group says that it wants in place of values outside the range; empty where it takes any."""
    found: list[str] = []
    for probe in _probes(_hints(kind)[name]):
        try:
            kind(**{name: probe})
        except SettingsError as error:
            first = str(error).partition("\n")[0]
            match = re.fullmatch(rf"setting {re.escape(path)} is .*?; wanted: (.*)", first)
            if match and not re.search(r"\bNone\b", match[1]):  # a range that another setting makes
                found.append(match[1])
        except (TypeError, ValueError, AttributeError, KeyError):  # a check of its own that expects other types
            continue
    return "; ".join(dict.fromkeys(found))


def _probes(hint: Any) -> tuple[Any, ...]:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return tuple(probe for part in parts for probe in _probes(part))
    if origin is tuple:
        inner = [part for part in parts if part is not Ellipsis]
        return ((), *((probe,) * (len(inner) if len(inner) == len(parts) else 1) for probe in _probes(inner[0])))
    return _PROBES.get(hint, ())
