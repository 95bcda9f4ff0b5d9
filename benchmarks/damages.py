"""Damages to the files of a finished study, as disks and hands do them, and whether the product names them before use."""

import contextlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from grasp_psonet.cli import main
from grasp_psonet.proof import CLOCK, NOTE
from grasp_psonet.study import Study

_SPOILED: dict[str, Callable[[bytes], bytes | None]] = {
    "bit flipped at the start": lambda content: _flipped(content, 0),
    "bit flipped in the middle": lambda content: _flipped(content, len(content) // 2),
    "bit flipped at the end": lambda content: _flipped(content, len(content) - 1),
    "cut in half": lambda content: content[: len(content) // 2],
    "emptied": lambda content: b"",
    "deleted": lambda content: None,
}


@dataclass(frozen=True)
class Damage:
    """What is done to one file of a study (its path in the study folder)."""

    file: str
    kind: str

    @property
    def is_silent(self) -> bool:
        """Whether size and time of the file stay as they were, as when a disk rots: only its bytes can tell."""
        return self.kind.startswith("bit")


_READ_BY_PEOPLE = ("quality",)  # no stage reads it where nothing was accepted: `--remake damaged` reads its bytes


def damages_of(study: Path) -> list[Damage]:
    """Every kind of damage to one file of every suffix in every kind of stage that another one reads, notes included."""
    chosen: dict[tuple[str, str], str] = {}
    for note in sorted(study.rglob(NOTE)):
        kind = note.parent.relative_to(study).parts[0]
        if kind in _READ_BY_PEOPLE:
            continue
        names = [NOTE, *json.loads(note.read_text(encoding="utf-8"))["outputs"]]
        for name in names:
            place = note.parent / name
            if place.stat().st_size:
                chosen.setdefault((kind, "note" if name == NOTE else place.suffix), place.relative_to(study).as_posix())
    return [Damage(file, kind) for file in chosen.values() for kind in _SPOILED]


_READERS = {"features": "audit", "out_of_fold": "evaluate"}  # steps that read a stage which the report does not


def is_named_before_use(study: Path, damage: Damage, copy: Path) -> bool:
    """Damages a copy of a finished study and lets every stage be used: whether it stops, names the file and makes nothing."""
    shutil.copytree(study, copy, copy_function=os.link)
    _spoil(copy / damage.file, damage)
    page = Study(copy).report / "report.html"
    before = page.stat().st_ino if page.exists() else None
    stage = damage.file.split("/")[0]
    remade = _READERS.get(stage, "report")
    words = ["run", str(copy), *([] if stage == "report" else ["--remake", remade])]
    told = io.StringIO()
    with contextlib.redirect_stderr(told), contextlib.redirect_stdout(told):
        code = main(words)
    after = page.stat().st_ino if page.exists() else None
    is_named = code == 1 and str(copy / damage.file) in told.getvalue()
    shutil.rmtree(copy)
    return is_named and before == after


def files_of_clock(study: Path) -> Iterator[Path]:
    """The clocks of all finished stages: damage to them costs time and nothing else."""
    yield from sorted(study.rglob(CLOCK))


def _spoil(place: Path, damage: Damage) -> None:
    """Damages a file that other studies may share by a hard link: theirs stays as it is."""
    content, about = place.read_bytes(), place.stat()
    place.unlink()
    spoiled = _SPOILED[damage.kind](content)
    if spoiled is not None:
        place.write_bytes(spoiled)
    if damage.is_silent:
        os.utime(place, ns=(about.st_atime_ns, about.st_mtime_ns))


def _flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]
