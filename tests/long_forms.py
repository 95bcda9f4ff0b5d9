"""Values of a parametrisation that a test meets in its long form alone."""

from collections.abc import Iterable
from typing import Any

import pytest


def nightly(*values: Any) -> Any:
    """These values (of one case) by night: the short form has others that show the same law."""
    return pytest.param(*values, marks=pytest.mark.nightly)


def by_day(short: Iterable[tuple[Any, ...]], every: Iterable[tuple[Any, ...]]) -> list[Any]:
    """Every case, those that are not in the short form marked ``nightly``."""
    kept, all_of_them = list(short), list(every)
    assert all(case in all_of_them for case in kept)
    return [case if case in kept else nightly(*case) for case in all_of_them]
