"""Dated result files: the figures, and the machine, versions and command that gave them."""

import contextlib
import datetime
import importlib.metadata
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import grasp_psonet

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("torch", "timm", "numpy", "pandas", "pillow", "django", "gunicorn")


def write_result(name: str, figures: dict[str, Any]) -> Path:
    """Writes results/DATE-name.json and prints the figures as one JSON object on the last line."""
    about = {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "command": " ".join(["python", "-m", _module(), *sys.argv[1:]]),
        "machine": {"processor": _processor(), "cores": os.cpu_count(), "system": platform.system()},
        "versions": {"python": platform.python_version()} | _versions(),
    }
    path = RESULTS / f"{about['date']}-{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(about | {"figures": figures}, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(figures) + "\n")
    return path


def _versions() -> dict[str, str]:
    """The project's own, and those of the packages that are there: it also runs from its source beside torch and timm."""
    found = {"grasp-psonet": grasp_psonet.__version__}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def _module() -> str:
    specification = getattr(sys.modules["__main__"], "__spec__", None)
    return specification.name if specification else Path(sys.argv[0]).stem


def _processor() -> str:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return models[0].partition(":")[2].strip() if models else platform.processor()
