"""The boundary to the disk: files written whole or not at all, and read with errors that name them."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from grasp_psonet.errors import FileError

_BESIDE = ".partial"
_FORMATS = ("pyarrow.", "safetensors")  # their errors share no base class with each other, and are not imported for it


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file through ``write``, which gets a path in a folder of its own beside the place; then it is renamed into it.

    At no time does ``path`` hold a part of the file, also when the power fails. What a kill leaves, of ``write`` and of the
    libraries that it calls, stands in ``NAME.partial`` (``sweep``). Raises FileError where the file cannot be written: no
    space, no right, a path that is no file.
    """
    beside = path.with_name(path.name + _BESIDE)
    try:
        beside.mkdir(exist_ok=True)
        write(beside / path.name)
        _sync(beside / path.name)
        (beside / path.name).replace(path)
        _sync(path.parent)
    except Exception as error:
        if not _is_of_the_disk(error):
            raise
        raise _cannot_be_written(path, error) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Deletes what killed writers left in a folder and below it."""
    for beside in sorted(folder.rglob("*" + _BESIDE)):
        shutil.rmtree(beside)


def write_json(path: Path, value: Any, *, sort_keys: bool = True) -> None:
    """Writes a value as indented JSON, whole or not at all."""
    text = json.dumps(value, indent=1, sort_keys=sort_keys) + "\n"
    write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raises FileError naming this file where its reader finds it missing, damaged, or of another kind."""
    try:
        yield
    except Exception as error:
        if not (_is_of_the_disk(error) or isinstance(error, ValueError)):  # JSON, unicode and numpy raise ValueErrors
            raise
        raise FileError(
            f"{path} cannot be read: {_said(error)}\n  next: bring the file back, or make it anew"
        ) from None


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises FileError naming it."""
    with reading(path):
        return json.loads(path.read_text(encoding="utf-8"))


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk. Raises FileError where they cannot be written."""
    try:
        _sync(path)
    except OSError as error:
        raise _cannot_be_written(path, error) from None


def is_file_fault(error: BaseException) -> bool:
    """Whether an error that nobody has named comes from a file or the disk rather than from the program."""
    return isinstance(error, json.JSONDecodeError) or _is_of_the_disk(error)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _cannot_be_written(path: Path, error: Exception) -> FileError:
    return FileError(
        f"{path} cannot be written: {_said(error)}\n  next: make room or mend the rights, then run the same command again"
    )


def _is_of_the_disk(error: BaseException) -> bool:
    return isinstance(error, OSError) or any(kind.__module__.startswith(_FORMATS) for kind in type(error).__mro__)


def _said(error: BaseException) -> str:
    """The first line of what went wrong; OSErrors without the path, which the message names already."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.partition("\n")[0] or type(error).__name__
