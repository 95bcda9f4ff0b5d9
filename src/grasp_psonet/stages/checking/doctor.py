"""``grasp doctor``: what this machine has, and what is missing."""

import importlib.util
import os
import shutil
from importlib.resources import files
from pathlib import Path

import torch
from PIL import features

from grasp_psonet import __version__
from grasp_psonet.network.demo_encoders import DEMO_ENCODERS
from grasp_psonet.network.packaged import PACKAGED, is_installed
from grasp_psonet.stage import versions


def doctor() -> list[str]:
    """Lines on versions, devices, threads, disk, and weights that are there without network."""
    lines = [f"grasp-psonet {__version__}"]
    lines += [f"  {name} {version}" for name, version in versions().items() if name != "grasp-psonet"]
    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            about = torch.cuda.get_device_properties(number)
            lines.append(f"device cuda:{number}: {about.name}, {about.total_memory / 2**30:.0f} GiB")
    else:
        lines.append("device: cpu only (no CUDA device is seen)")
    lines.append(f"threads: {os.cpu_count()} logical processors; machine.threads and machine.processes share them")
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    lines.append(
        f"disk: {free:.0f} GiB free here" + ("; low: a ConvNeXt-Tiny anchor takes 0.3 GiB" if free < 10 else "")
    )
    lines += [f"weights: {name}: {_demo_weights(name)}" for name in DEMO_ENCODERS]
    lines.append(f"weights: {PACKAGED}: " + ("packaged" if is_installed() else "not here (extra imagenet, 17 MB)"))
    lines += [f"weights: {name}: cached" for name in _cached_models()] or [
        "weights: no ImageNet weights are cached here"
    ]
    lines += [f"photos: {name}: {told}" for name, told in _formats().items()]
    has_vision = importlib.util.find_spec("torchvision") is not None
    lines.append(
        "torchvision: " + ("present" if has_vision else "missing; timm needs it: install the ordinary torch build")
    )
    return lines


def _formats() -> dict[str, str]:
    """Photo formats that do not come with every installation."""
    extras = {"HEIC": ("pi_heif", "heic"), "DICOM": ("pydicom", "dicom")}
    told = {
        name: "present" if importlib.util.find_spec(package) else f"not here (extra {extra})"
        for name, (package, extra) in extras.items()
    }
    return told | {"AVIF": "present" if features.check("avif") else "not here (a newer Pillow)"}


def _demo_weights(name: str) -> str:
    return "present" if (files("grasp_psonet.network") / "weights" / f"{name}.safetensors").is_file() else "missing"


def _cached_models() -> list[str]:
    """Names of the models in the Hugging Face cache that timm reads."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    cache = Path(os.environ.get("HF_HUB_CACHE", home / "hub"))
    return sorted(path.name.removeprefix("models--timm--") for path in cache.glob("models--timm--*"))
