"""The documentation is held to the code: links, commands, settings, make targets, quoted messages, forbidden words."""

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from grasp_psonet.commandline.words import parser_of_all as _parser
from grasp_psonet.presets import PRESETS
from grasp_psonet.settings import dotted_paths

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
STUDY_PAGE = ROOT / "docs" / "your-study.md"
GROUPS = {path.partition(".")[0] for path in dotted_paths() if "." in path}
FILE_ENDINGS = (
    "csv",
    "json",
    "parquet",
    "yaml",
    "npy",
    "html",
    "py",
    "md",
    "safetensors",
    "png",
    "partial",
    "onnx",
    "pt2",
)
FORBIDDEN = (
    r"(?<![\w.~])/(work|root|home|tmp|opt|usr|mnt)\b",
    r"\b(pypi\.org|pythonhosted\.org|download\.pytorch\.org|conda\.anaconda\.org|test\.pypi)",
    r"\b(TODO|FIXME|XXX)\b",
)

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def commands() -> set[str]:
    """The commands that the parser knows."""
    actions = [action for action in _parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return set(actions[0].choices)


def code_of(text: str) -> list[str]:
    """What stands in fences (by line) and between single backticks."""
    fences = re.findall(r"^```[a-z]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [line for fence in fences for line in fence.splitlines()] + re.findall(r"`([^`\n]+)`", rest)


def anchors_of(page: Path) -> set[str]:
    """Headings as GitHub links to them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def settings_named_in(text: str) -> Iterator[str]:
    for code in code_of(text):
        yield from re.findall(r"--([a-z_]+(?:\.[a-z_]+)+)", code)
        for word in re.findall(r"(?<![\w./-])[a-z_]+(?:\.[a-z_]+)+(?![\w/.(])", code):
            if word.partition(".")[0] in GROUPS and word.rpartition(".")[2] not in FILE_ENDINGS:
                yield word


def known_settings() -> set[str]:
    """Settings, and the groups that hold them."""
    paths = set(dotted_paths())
    return paths | {path.rpartition(".")[0] for path in paths}


def strings_of_the_code() -> str:
    """Every string literal of the package; what an f-string fills in stands as a blank between its parts."""
    found: list[str] = []
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_there_are_pages_to_look_at() -> None:
    names = {page.name for page in PAGES}
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "your-study.md", "numbers.md", "method.md"} <= names


@pages
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    broken = []
    for link in links:
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in anchors_of(target)):
            broken.append(link)
    assert not broken


@pages
def test_named_commands_exist(page: Path) -> None:
    codes = code_of(page.read_text(encoding="utf-8"))
    named = {name for code in codes for name in re.findall(r"(?:^|[\s/])grasp ([a-z]+)", code)}
    assert named <= commands()


def test_every_command_has_a_section_and_a_line() -> None:
    sections = set(re.findall(r"^### `grasp ([a-z]+)`", STUDY_PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE))
    rows = set(re.findall(r"^\| `grasp ([a-z]+)", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert sections == commands()
    assert rows == commands()


@pages
def test_named_settings_exist(page: Path) -> None:
    unknown = sorted(set(settings_named_in(page.read_text(encoding="utf-8"))) - known_settings())
    assert not unknown


def test_settings_are_found_where_they_stand() -> None:
    text = "`prune.k`, `--train.lr 1`, `photos.csv`, `src/prune.k`\n```\ngrasp run S --trace.nosuch 2\n```\n"
    assert set(settings_named_in(text)) == {"prune.k", "train.lr", "trace.nosuch"}


def test_named_presets_exist() -> None:
    codes = code_of(STUDY_PAGE.read_text(encoding="utf-8"))
    named = {name for code in codes for name in re.findall(r"--preset ([a-z]+)", code)}
    assert named
    assert named <= set(PRESETS)


@pages
def test_named_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    codes = code_of(page.read_text(encoding="utf-8"))
    named = {name for code in codes for name in re.findall(r"^make ([a-z-]+)", code)}
    assert named <= targets
    if page.name == "README.md":
        assert {"demo", "test"} <= named


def test_quoted_messages_stand_in_the_code() -> None:
    troubles = STUDY_PAGE.read_text(encoding="utf-8").partition("## Troubleshooting")[2]
    quoted = re.findall(r"^\| `([^`]+)` \|", troubles, flags=re.MULTILINE)
    strings = strings_of_the_code()
    assert len(quoted) > 20
    assert [message for message in quoted if message not in strings] == []


@pages
def test_nothing_of_one_machine_or_registry(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [found[0] for pattern in FORBIDDEN for found in re.finditer(pattern, text)] == []


def test_pictures_are_small() -> None:
    pictures = sorted((ROOT / "docs" / "images").glob("*"))
    assert pictures
    assert all(picture.stat().st_size < 400_000 for picture in pictures)
