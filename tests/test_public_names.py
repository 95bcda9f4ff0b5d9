"""What is imported from grasp_psonet is documented, typed, and in the API reference."""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import grasp_psonet

ROOT = Path(__file__).parent.parent
NAMES = [name for name in grasp_psonet.__all__ if name != "__version__"]
FUNCTIONS = [name for name in NAMES if inspect.isfunction(inspect.unwrap(getattr(grasp_psonet, name)))]


def members() -> Iterator[tuple[str, Any]]:
    """Every public class's public methods and properties of its own."""
    for name in NAMES:
        kind = getattr(grasp_psonet, name)
        if inspect.isclass(kind):
            for member, value in vars(kind).items():
                if not member.startswith("_") and (callable(value) or isinstance(value, property)):
                    yield f"{name}.{member}", value


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_has_a_docstring_that_says_more_than_its_name(name: str) -> None:
    told = inspect.getdoc(getattr(grasp_psonet, name)) or ""
    assert len(told.split()) >= 8
    assert not told.startswith(f"{name}("), "a dataclass's signature is no docstring"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_says_what_it_raises_and_names_every_argument(name: str) -> None:
    function: Callable[..., Any] = inspect.unwrap(getattr(grasp_psonet, name))
    told = inspect.getdoc(function) or ""
    assert re.search(r"Raises|raises", told)
    unnamed = [one for one in inspect.signature(function).parameters if not re.search(rf"\b{one}\b", told)]
    assert unnamed == []


@pytest.mark.parametrize(("name", "shapes"), [("trace", ["[B, N, ...]", "[B, N]", "[N, ...]", "[B, classes]"])])
def test_arrays_have_their_shapes_told(name: str, shapes: list[str]) -> None:
    told = inspect.getdoc(getattr(grasp_psonet, name)) or ""
    assert [shape for shape in shapes if shape not in told] == []


def test_every_method_has_a_docstring() -> None:
    found = dict(members())
    assert len(found) > 25
    assert [name for name, value in found.items() if not (inspect.getdoc(value) or "").strip()] == []


def test_everything_public_is_typed_and_in_the_reference() -> None:
    assert (Path(grasp_psonet.__file__).parent / "py.typed").exists()
    reference = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"auto(?:function|class):: grasp_psonet\.(\w+)", reference))
    assert shown == set(NAMES)
    for name in FUNCTIONS:
        function = inspect.unwrap(getattr(grasp_psonet, name))
        assert function.__annotations__.keys() == {*inspect.signature(function).parameters, "return"}
