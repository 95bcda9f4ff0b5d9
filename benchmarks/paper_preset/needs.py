"""What the study needs besides Python, for machines on which nothing can be installed."""

import importlib.metadata
import importlib.util
from collections.abc import Callable

# Import name -> distribution. What these need in turn is listed where a machine may hold the one without the other.
NEEDS = {
    "torch": "torch",
    "torchvision": "torchvision",
    "timm": "timm",
    "safetensors": "safetensors",
    "numpy": "numpy",
    "pandas": "pandas",
    "pyarrow": "pyarrow",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "rich": "rich",
    "pydantic": "pydantic",
    "pydantic_core": "pydantic-core",
    "annotated_types": "annotated-types",
    "typing_inspection": "typing-inspection",
    "typing_extensions": "typing-extensions",
    "grasp_psonet": "grasp-psonet",
}


def is_importable(name: str) -> bool:
    """Whether a top-level package can be found; it is not loaded."""
    return importlib.util.find_spec(name) is not None


def missing(is_there: Callable[[str], bool] = is_importable) -> list[str]:
    """Distributions that are needed and not there."""
    return [distribution for name, distribution in NEEDS.items() if not is_there(name)]


def message(lacking: list[str]) -> str:
    """What to carry, for a person."""
    lines = [f"this machine lacks {len(lacking)} of the {len(NEEDS)} packages that the study needs:"]
    carried = [name for name in lacking if name != "grasp-psonet"]
    lines += [f"  {name}" for name in lacking]
    if carried:
        lines.append(
            f"next: carry their wheels and put the folder they are unpacked in on PYTHONPATH: {' '.join(carried)}"
        )
    if "grasp-psonet" in lacking:
        lines.append("next: start from the root of the repository with PYTHONPATH=src")
    return "\n".join(lines)


def found() -> dict[str, str]:
    """Versions of what is there; "no metadata" for what runs from its source."""
    versions = {}
    for distribution in NEEDS.values():
        try:
            versions[distribution] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            versions[distribution] = "no metadata"
    return versions
