"""What the default install brings along is free to use, also in a company: no GPL or AGPL, nothing for research alone."""

import importlib.metadata
import re
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement

FREE = re.compile(
    r"\b(MIT|0?BSD|Apache|PSF|ISC|MPL|Zlib|CC0|Unlicense|Python Software Foundation|Mozilla)\b", re.IGNORECASE
)
NEVER = re.compile(r"\bA?GPL|Affero|non-?commercial|research (use )?only|CC-BY-NC", re.IGNORECASE)
# of NVIDIA's runtime, which torch's own wheels require: to be used and passed on with it
GIVEN_WITH_TORCH = re.compile(r"^(nvidia|cuda)-")


def _told(licence: importlib.metadata.Distribution) -> str:
    """What a package says of its licence: the expression, else the classifiers, else the first line of the text."""
    told = licence.metadata
    classifiers = [line for line in told.get_all("Classifier") or [] if line.startswith("License")]
    return told.get("License-Expression") or " ".join(classifiers) or (told.get("License") or "").strip()[:80]


def fault_of(name: str, told: str) -> str | None:
    """Why a package of this licence is none of the default install; None where it may be."""
    if GIVEN_WITH_TORCH.match(name):
        return None
    if NEVER.search(told):
        return f"{name} is {told}"
    return None if FREE.search(told) else f"{name} says no licence that is known here: {told!r}"


def _installed(name: str, seen: set[str]) -> Iterator[importlib.metadata.Distribution]:
    """The package and all that it requires on this machine, without extras."""
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in seen:
        return
    seen.add(key)
    found = importlib.metadata.distribution(name)
    yield found
    for line in found.requires or []:
        required = Requirement(line)
        if required.marker is None or required.marker.evaluate({"extra": ""}):
            yield from _installed(required.name, seen)


def test_the_default_install_is_free_to_use() -> None:
    found = {package.metadata["Name"].lower(): _told(package) for package in _installed("grasp-psonet", set())}
    assert {"torch", "timm", "pandas", "openpyxl"} <= found.keys()
    assert [fault for name, told in found.items() if (fault := fault_of(name, told))] == []


@pytest.mark.parametrize(
    ("told", "is_free"),
    [
        ("Apache-2.0", True),
        ("License :: OSI Approved :: BSD License", True),
        ("AGPL-3.0-or-later", False),
        ("License :: OSI Approved :: GNU General Public License v3 (GPLv3)", False),
        ("License :: OSI Approved :: GNU Affero General Public License v3", False),
        ("MIT for non-commercial use", False),
        ("CC-BY-NC-4.0", False),
        ("", False),
        ("a licence of our own", False),
    ],
)
def test_what_is_refused(told: str, is_free: bool) -> None:
    assert (fault_of("a-package", told) is None) is is_free
