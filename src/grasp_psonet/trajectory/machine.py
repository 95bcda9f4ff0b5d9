"""The machine a network runs on: device, threads, and the switches that make a run repeatable."""

import platform

import torch

from grasp_psonet.device import resolved_device
from grasp_psonet.errors import SettingsError


def use_machine(device: str, threads: int) -> torch.device:
    """Sets threads and repeatable kernels; the device of ``auto``, ``cpu`` or ``cuda``. Raises SettingsError without a GPU."""
    torch.set_num_threads(threads)
    if device == "cuda" and not torch.cuda.is_available():
        raise SettingsError(
            "setting machine.device is 'cuda'; no CUDA device is here\n  next: auto or cpu; see `grasp doctor`"
        )
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch.device(resolved_device(device))


def machine_note(device: torch.device, threads: int) -> dict[str, str | int]:
    """What a bitwise replay depends on besides settings: versions, processor, device and threads."""
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processor": platform.machine(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": threads,
    }
