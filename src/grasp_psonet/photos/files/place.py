"""Where a photo's file lies: below the study's folder of photos, and a regular file. Nothing is opened to find out."""

import os
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from grasp_psonet.errors import PhotoError

_MOST_BYTES = 512 * 2**20
_TURNING = ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


@dataclass(frozen=True)
class PhotoRoot:
    """The folder that paths of photos.csv start from; ``follows_links``: links may lead out of it."""

    folder: Path
    follows_links: bool = False
    _seen: dict[Path, str] = field(default_factory=dict, compare=False, repr=False)  # folders and where they really lie

    def file(self, path: str) -> Path:
        """The photo's file. Raises PhotoError for a path that leaves the folder (absolute, by ``..`` or by a link), and for
        what is no regular file or too large; nothing is opened."""
        found = self.folder / path
        if any(map(_is_odd, path)):
            raise PhotoError(f"{path!a} holds characters that no file's name should; rename the file, correct `path`")
        try:
            self._refuse_outside(path, found)
            refuse_irregular(found)
        except OSError as error:
            raise PhotoError(f"{found} cannot be looked for: {error.strerror or error}") from None
        return found

    def lacks(self, path: str) -> bool:
        """Whether a plain path below the folder leads to nothing: what a table of a million photos that lie elsewhere needs."""
        is_plain = path.isprintable() and not path.startswith("/") and ".." not in path
        if not is_plain:
            return False
        try:
            os.lstat(f"{self.folder}/{path}")
        except FileNotFoundError:
            return True
        except (OSError, ValueError):
            return False  # said in other words
        return False

    def _refuse_outside(self, path: str, found: Path) -> None:
        if Path(path).is_absolute():
            raise PhotoError(
                f"{path} is an absolute path; wanted one that starts at the study folder, or at photos.root"
            )
        if Path(os.path.normpath(path)).parts[:1] == ("..",):
            raise PhotoError(
                f"{path} leads out of the folder of photos; wanted a path inside it: set photos.root to the folder that "
                "holds all photos"
            )
        if self.follows_links:
            return
        root, parent = self._real(self.folder), self._real(found.parent)
        real = os.path.realpath(found) if found.is_symlink() else str(Path(parent, found.name))
        if not _is_below(root, real):
            raise PhotoError(
                f"{path} is reached by a link that leads out of the folder of photos; set photos.root to the folder that "
                "holds the photos, or photos.links to anywhere"
            )

    def _real(self, folder: Path) -> str:
        if folder not in self._seen:
            self._seen[folder] = os.path.realpath(folder)
        return self._seen[folder]


def missing(path: Path | str) -> str:
    """What is said of a photo whose file is not there."""
    return f"{path} does not exist; check `path` in photos.csv and the setting photos.root"


def refuse_irregular(path: Path) -> None:
    """Raises PhotoError where there is no file, or one that cannot be read as a photo: a pipe, a device, a folder, none."""
    try:
        about = path.stat()
    except FileNotFoundError:
        raise PhotoError(missing(path)) from None
    except (OSError, ValueError) as error:
        raise PhotoError(f"{path} cannot be opened: {getattr(error, 'strerror', None) or error}") from None
    refuse_mode(path, about)


def refuse_mode(path: Path, about: os.stat_result) -> None:
    """Raises PhotoError unless this is what a regular file with something in it looks like."""
    if not stat.S_ISREG(about.st_mode):
        kind = next((words for is_kind, words in _KINDS if is_kind(about.st_mode)), "no file")
        raise PhotoError(f"{path} cannot be opened: it is {kind}, not a regular file")
    if about.st_size == 0:
        raise PhotoError(f"{path} is damaged: it is empty (0 bytes); bring the photo again")
    if about.st_size > _MOST_BYTES:
        raise PhotoError(
            f"{path} takes {about.st_size / 2**20:.0f} MiB, more than the {_MOST_BYTES // 2**20} MiB that are read; "
            "export it smaller"
        )


@contextmanager
def regular_file(path: Path) -> Iterator[BinaryIO]:
    """A regular file, opened for reading. Raises PhotoError as ``refuse_irregular`` does; a pipe that took its place
    meanwhile cannot hold the reader up."""
    refuse_irregular(path)
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise PhotoError(f"{path} cannot be opened: {error.strerror or error}") from None
    with os.fdopen(opened, "rb") as file:
        refuse_mode(path, os.fstat(opened))
        yield file


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file. Raises PhotoError as ``regular_file`` does."""
    with regular_file(path) as file:
        try:
            return file.read(min(_MOST_BYTES, os.fstat(file.fileno()).st_size))  # as much memory is taken at once
        except OSError as error:
            raise PhotoError(f"{path} cannot be read: {error.strerror or error}") from None


def _is_odd(letter: str) -> bool:
    """Control characters, ends of lines, halves of characters, and what turns the direction of writing: a name that holds
    them does not read as what it is. Spaces and joiners of any script are no such thing."""
    return unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or unicodedata.bidirectional(letter) in _TURNING


def _is_below(folder: str, path: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
