"""Where the reading app keeps its things in a study, and whether a database of files can stand there."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from grasp_psonet.errors import FileError, StudyError

# Kinds of mounts that reach another machine: locks and shared memory of SQLite's write-ahead log fail on them.
_NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "afs",
    "9p",
    "ceph",
    "glusterfs",
    "lustre",
    "gpfs",
    "beegfs",
    "fuse.sshfs",
    "ncp",
    "davfs",
)
_MOUNTS = Path("/proc/self/mounts")


@dataclass(frozen=True)
class AppPlace:
    """The app's folder ``reading-app`` in a study: database (unless told by URL), key, anchors of the trail, photos."""

    study: Path

    @property
    def folder(self) -> Path:
        return self.study / "reading-app"

    @property
    def database(self) -> Path:
        return self.folder / "reading.sqlite3"

    @property
    def photos(self) -> Path:
        return self.folder / "photos"

    @property
    def anchors(self) -> Path:
        """Number and hash of the trail's last entry at several times, one JSON object a line."""
        return self.folder / "anchors.jsonl"

    def export(self, round_name: str) -> Path:
        """The folder that a locked round is written into."""
        return self.study / "readings" / round_name

    def make(self) -> None:
        """Makes the folder, for this account's eyes only. Raises StudyError where there is no study."""
        if not self.study.is_dir():
            raise StudyError(f"{self.study} is not a folder\n  next: `grasp init {self.study}` starts a study there")
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise FileError(f"{self.folder} cannot be made: {error.strerror}\n  next: check rights and space") from None

    def key(self) -> bytes:
        """The app's secret, made at first use; sessions and the head of the trail are signed with it."""
        path = self.folder / "secret.key"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            key = path.read_bytes()
            if len(key) < 32:
                raise FileError(f"{path} is damaged: {len(key)} bytes\n  next: bring it back from the backup") from None
            return key
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(32).encode())
            file.flush()
            os.fsync(file.fileno())
        return path.read_bytes()


def mount_kind(folder: Path, mounts: str | None = None) -> str:
    """The kind of file system that a folder lies on, as Linux names it; empty where that cannot be known.

    ``mounts``: the text of /proc/self/mounts, read from there unless told.
    """
    if mounts is None:
        try:
            mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
    real = Path(os.path.realpath(folder))
    found, depth = "", -1
    for line in mounts.splitlines():
        _, point, kind, *_ = [*line.split(), "", "", ""]
        place = Path(point.encode().decode("unicode_escape"))
        if (place == real or place in real.parents) and len(place.parts) >= depth:
            found, depth = kind, len(place.parts)
    return found


def refuse_network_disk(folder: Path, mounts: str | None = None) -> None:
    """Raises StudyError where SQLite's write-ahead log would fail: on a disk of another machine."""
    kind = mount_kind(folder, mounts)
    if any(kind == name or kind.startswith((name, f"fuse.{name}")) for name in _NETWORK):
        raise StudyError(
            f"{folder} lies on a network disk ({kind}), where SQLite loses or doubles answers\n"
            "  next: put the study on a local disk, or name a PostgreSQL database: --database postgresql://USER@HOST/NAME"
        )
