"""One digest over the bytes of all original photos, or files of features.

A file is read again only when its size or time has changed.

What was read is noted beside the store. The note spares time and decides nothing: where it is missing, damaged or of another
table, every photo is read.
"""

import hashlib
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from grasp_psonet.errors import FileError, PhotoError
from grasp_psonet.files import write_json
from grasp_psonet.proof import file_digest
from grasp_psonet.tables.columns import PATH

if TYPE_CHECKING:
    from grasp_psonet.stages.job import Job

NOTE = ".photo-digests.json"
_SETTLED_NS = 2_000_000_000  # a file that changed a moment ago can change again within one tick of its time

_Photos = dict[str, tuple[int, int, str]]  # by path: size in bytes, time of change in ns, digest of the bytes


def photo_files_digest(job: "Job") -> str:
    """One digest over all files that photos.csv or features.csv names, in its order. Raises PhotoError naming missing ones."""
    note = job.study.folder / NOTE
    table = f"{job.bags_digest} {job.photo_root}"
    noted = _read(note, table)
    paths = (
        list(noted) if noted else [str(path) for path in job.cohort.photos[PATH].unique()]
    )  # one file may fill many rows
    found = _look(job, paths, noted)
    if found != noted:
        with suppress(FileError):  # a study that cannot be written to is read again next time
            write_json(note, _sealed(table, found), sort_keys=False)
    return hashlib.sha256("".join(photo[2] for photo in found.values()).encode()).hexdigest()[:32]


def _look(job: "Job", paths: list[str], noted: _Photos) -> _Photos:
    root = job.photo_root
    found: _Photos = {}
    missing = []
    for path in paths:
        try:
            about = (root / path).stat()
        except OSError:
            missing.append(path)
            continue
        known = noted.get(path)
        if known is None or known[:2] != (about.st_size, about.st_mtime_ns):
            is_settled = time.time_ns() - about.st_mtime_ns > _SETTLED_NS
            known = (about.st_size, about.st_mtime_ns if is_settled else 0, file_digest(root / path))
        found[path] = known
    if missing:
        is_photo = job.kind == "photos"
        what = "photos of photos.csv are not there" if is_photo else "files of features.csv are not there"
        raise PhotoError(
            f"{len(missing)} of {len(paths)} {what} (first: {missing[0]}), "
            f"looked for under {root}\n"
            "  next: `grasp check` lists them with their rows; set photos.root if they lie elsewhere"
        )
    return found


def _read(note: Path, table: str) -> _Photos:
    """What was noted for this table under this root; nothing where that cannot be trusted."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        read = json.loads(note.read_text(encoding="utf-8"))
        photos = {path: (size, time_ns, told) for path, (size, time_ns, told) in read["photos"].items()}
        if read == json.loads(json.dumps(_sealed(table, photos))):
            return photos
    return {}


def _sealed(table: str, photos: _Photos) -> dict[str, object]:
    text = json.dumps([table, photos])
    return {"table": table, "photos": photos, "seal": hashlib.sha256(text.encode()).hexdigest()[:32]}
