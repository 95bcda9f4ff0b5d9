"""What all tests share: one thread of torch, so that parallel workers do not fight over cores; tiny networks and bags."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)
