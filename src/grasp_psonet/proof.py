"""Proof that a finished folder still holds what was made: its note, the sizes and times of its files, their bytes.

``stage.json`` names every file made with the digest of its bytes; nothing in it depends on the clock, and its text is what
this module writes for its own digest, so that no byte of it can change unseen. ``clock.json`` holds when the folder was made,
and size and time of each file, by which a look is cheap. Damage to it costs a reading of the bytes and nothing else.

A file that was not made here is ignored, unless it could be taken for one that was: of the same kind in the same subfolder.
"""

import hashlib
import json
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from grasp_psonet.errors import FileError, StageError
from grasp_psonet.files import sync, write_json

NOTE = "stage.json"
CLOCK = "clock.json"
IDENTITY = "identity.json"
NEXT = "bring the file back, or make the stage anew: `grasp run STUDY --remake damaged`, or delete the folder and run again"
_SEAL = "seal"
_Seen = dict[str, list[int]]  # by file: size in bytes and time of change in ns

# what this process has read and found whole: folder -> seal of the note and what the files looked like. Of the process, not
# of a study or a job: the same folder is looked at by many tasks, and reading it again would cost as much each time
_proven: dict[Path, tuple[str, _Seen]] = {}


def seal(folder: Path, facts: dict[str, Any], clock: dict[str, Any]) -> None:
    """Closes a filled folder: its files go to the disk, then clock and note are written.

    ``facts`` (what made it) go into the note, ``clock`` (what depends on the clock) into the other.
    """
    outputs = {}
    for name in _files(folder):
        outputs[name] = file_digest(folder / name)
        sync(folder / name)
    seen = {name: _look(folder / name) for name in outputs}
    write_json(folder / CLOCK, clock | {"files": seen})
    note = facts | {"outputs": outputs}
    write_json(folder / NOTE, note | {_SEAL: _seal_of(note)})


def read_note(folder: Path) -> dict[str, Any]:
    """What made a finished folder: settings, inputs, versions, outputs. Raises StageError when it is missing or damaged."""
    path = folder / NOTE
    try:
        text = path.read_text(encoding="utf-8")
        note: dict[str, Any] = json.loads(text)
        told = note.pop(_SEAL)
        is_whole = told == _seal_of(note) and text == json.dumps(note | {_SEAL: told}, indent=1, sort_keys=True) + "\n"
    except (FileNotFoundError, NotADirectoryError):
        raise StageError(f"{folder} is not a complete stage\n  next: `grasp run` makes what is missing") from None
    except (ValueError, KeyError, AttributeError):
        is_whole = False
    except OSError as error:
        raise StageError(f"{path} cannot be read: {error.strerror}\n  next: mend the rights or the disk") from None
    if not is_whole:
        raise StageError(f"{path} is damaged: it is not as it was written\n  next: {NEXT}")
    return note


def is_complete(folder: Path) -> bool:
    """Whether the folder was finished; whether it is still whole is for ``damage_of`` to say."""
    return (folder / NOTE).exists()


def damage_of(folder: Path, *, reads_bytes: bool = False) -> str | None:
    """What is wrong with a finished folder, naming the file; None if nothing is.

    Bytes are read where size or time differ from those noted (as in a copied study), or of every file with ``reads_bytes``.
    A folder found whole by its bytes has sizes and times noted afresh.
    """
    try:
        outputs: dict[str, str] = read_note(folder)["outputs"]
    except StageError as error:
        return str(error).partition("\n")[0]
    noted, seen = _noted(folder), {}
    for name in outputs:
        try:
            seen[name] = _look(folder / name)
        except OSError as error:
            return f"{folder / name} is damaged: {(error.strerror or str(error)).lower()}"
    read = [name for name in outputs if reads_bytes or noted.get(name) != seen[name]]
    for name in read:
        damage = _damage_of_bytes(folder / name, outputs[name], noted.get(name), seen[name])
        if damage is not None:
            return f"{folder / name} is damaged: {damage}"
    if seen != noted:
        _note_afresh(folder, seen)
    return None


def proven(folder: Path) -> Path:
    """The folder, once all bytes in it are found to be those that were made; read once in a process.

    Raises StageError naming the file that is damaged, or where the folder is not finished.
    """
    if _proven.get(folder.resolve()) == _state(folder):
        return folder
    damage = damage_of(folder, reads_bytes=True) or _stranger(folder)
    if damage is not None:
        raise StageError(f"{damage}\n  next: {NEXT}")
    remember_proven(folder)
    return folder


def remember_proven(folder: Path) -> None:
    """Takes the folder for proven in this process, as it looks now: its bytes have just been read or made."""
    _proven[folder.resolve()] = _state(folder)


def digest(source: Path) -> str:
    """The digest of a file's bytes, or of a finished folder's outputs."""
    if source.is_file():
        return file_digest(source)
    outputs = read_note(source)["outputs"]
    return hashlib.sha256(json.dumps(outputs, sort_keys=True).encode()).hexdigest()[:32]


def file_digest(path: Path) -> str:
    """The digest of a file's bytes. Raises FileError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}\n  next: check the path and the rights") from None


def _damage_of_bytes(path: Path, wanted: str, noted: list[int] | None, seen: list[int]) -> str | None:
    try:
        if file_digest(path) == wanted:
            return None
    except FileError:
        return "it cannot be read"
    if noted is not None and noted[0] != seen[0]:
        return f"it has {seen[0]} bytes, {noted[0]} were made"
    return f"its {seen[0]} bytes are not those that were made"


def _stranger(folder: Path) -> str | None:
    """A file that was not made here and lies among files of its kind in a subfolder, where it would be read with them."""
    made = {PurePosixPath(name) for name in read_note(folder)["outputs"]}
    kinds = {(path.parent, path.suffix) for path in made if path.parent != PurePosixPath()}
    for name in _files(folder):
        path = PurePosixPath(name)
        if path not in made and (path.parent, path.suffix) in kinds:
            return f"{folder / name} is none of the files that were made there"
    return None


def _files(folder: Path) -> list[str]:
    apart = {IDENTITY, CLOCK, NOTE}
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in apart)
    return [path.relative_to(folder).as_posix() for path in paths]


def _seal_of(note: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(note, sort_keys=True).encode()).hexdigest()[:32]


def _state(folder: Path) -> tuple[str, _Seen]:
    note, seen = read_note(folder), {}
    with suppress(OSError):  # a missing file: no state that was ever proven
        seen = {name: _look(folder / name) for name in note["outputs"]}
    return _seal_of(note), seen


def _look(path: Path) -> list[int]:
    about = path.stat()
    return [about.st_size, about.st_mtime_ns]


def _noted(folder: Path) -> _Seen:
    """Sizes and times as noted; nothing where the note of them is missing or damaged."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        files = json.loads((folder / CLOCK).read_text(encoding="utf-8"))["files"]
        return {str(name): [int(size), int(time_ns)] for name, (size, time_ns) in files.items()}
    return {}


def _note_afresh(folder: Path, seen: _Seen) -> None:
    """Notes sizes and times that belong to proven bytes; where nothing can be written, the next look reads again."""
    clock: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        read = json.loads((folder / CLOCK).read_text(encoding="utf-8"))
        clock = read if isinstance(read, dict) else {}
    with suppress(FileError):
        write_json(folder / CLOCK, clock | {"files": seen})
