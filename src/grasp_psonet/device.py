"""Which device ``machine.device: auto`` means here; torch is loaded only where a GPU could be."""

import sys
from pathlib import Path

# what a driver leaves in /dev: NVIDIA, the same under WSL and on Jetson boards, AMD
_GPU_FILES = ("nvidia*", "dxg", "nvhost*", "nvgpu*", "kfd")


def resolved_device(device: str) -> str:
    """``cpu`` or ``cuda``: what ``auto`` means on this machine."""
    if device != "auto":
        return device
    if "torch" not in sys.modules and not _could_have_gpu():
        return "cpu"
    import torch  # seconds, which a look at a finished study on a machine without a GPU must not cost

    return "cuda" if torch.cuda.is_available() else "cpu"


def _could_have_gpu() -> bool:
    return sys.platform != "linux" or any(next(Path("/dev").glob(name), None) is not None for name in _GPU_FILES)
