"""What all tests share: one thread of torch, so that parallel workers do not fight over cores; and how they are shared out.

The tests of a file stay with one worker, for they share what it sets up; those marked ``alone`` need nothing of it. What is
marked ``long`` goes first, so that no worker is left with it at the end.
"""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
    for item in items:
        group = item.nodeid if item.get_closest_marker("alone") else item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(group))
