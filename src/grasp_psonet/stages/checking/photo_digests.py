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
from grasp_psonet.stages.checking.same_bytes import refuse_same_bytes
from grasp_psonet.tables.columns import PATH

if TYPE_CHECKING:
    from grasp_psonet.stages.job import Job

NOTE = ".photo-digests.json"
_SETTLED_NS = 2_000_000_000  # a file that changed a moment ago can change again within one tick of its time

# by path: what the file looked like (a digest of its size and time of change, which may be the time when the photo was
# taken), and the digest of its bytes
_Photos = dict[str, tuple[str, str]]


def photo_files_digest(job: "Job") -> str:
    """One digest over all files that photos.csv or features.csv names, in its order. Raises PhotoError naming missing ones,
    and photos that stand in several visits."""
    found = digests_of_photos(job)
    if job.kind == "photos":
        refuse_same_bytes(job, found)
    return hashlib.sha256("".join(found.values()).encode()).hexdigest()[:32]


def digests_of_photos(job: "Job") -> dict[str, str]:
    """The digest of the bytes of every file that photos.csv or features.csv names, by its path there. Raises PhotoError
    naming missing ones."""
    note = job.study.folder / NOTE
    table = _short(f"{job.bags_digest} {job.photo_root.resolve()}")
    noted = _read(note, table)
    paths = (
        list(noted) if noted else [str(path) for path in job.tables.photos[PATH].unique()]
    )  # one file may fill many rows
    found = _look(job, paths, noted)
    if found != noted:
        with suppress(FileError):  # a study that cannot be written to is read again next time
            write_json(note, _sealed(table, found), sort_keys=False)
    return {path: told for path, (_, told) in found.items()}


def _look(job: "Job", paths: list[str], noted: _Photos) -> _Photos:
    found: _Photos = {}
    faults = []
    for path in paths:
        try:
            file = _file(job, path)
            about = file.stat()
        except (OSError, PhotoError):
            if job.settings.photos.damaged == "skip" and job.kind == "photos":
                found[path] = ("", _short(f"{path} is no file"))
            else:
                faults.append(path)
            continue
        looks = _short(f"{path} {about.st_size} {about.st_mtime_ns}")
        known = noted.get(path)
        if known is None or known[0] != looks:
            is_settled = time.time_ns() - about.st_mtime_ns > _SETTLED_NS
            known = (looks if is_settled else "", file_digest(file))
        found[path] = known
    if faults:
        is_photo = job.kind == "photos"
        what = "photos of photos.csv are not there" if is_photo else "files of features.csv are not there"
        raise PhotoError(
            f"{len(faults)} of {len(paths)} {what}, or no files that may be read (first: {faults[0]}), "
            f"looked for under {job.photo_root}\n"
            "  next: `grasp check` lists them with their rows; set photos.root if they lie elsewhere"
        )
    return found


def _file(job: "Job", path: str) -> Path:
    """Raises PhotoError or OSError for what is no regular file; nothing is opened."""
    from grasp_psonet.photos.files.place import refuse_irregular

    if job.kind == "photos":
        return job.photo_files.file(path)
    refuse_irregular(job.photo_root / path)
    return job.photo_root / path


def _short(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def _read(note: Path, table: str) -> _Photos:
    """What was noted for this table under this root; nothing where that cannot be trusted."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        read = json.loads(note.read_text(encoding="utf-8"))
        photos = {path: (looks, told) for path, (looks, told) in read["photos"].items()}
        if read == json.loads(json.dumps(_sealed(table, photos))):
            return photos
    return {}


def _sealed(table: str, photos: _Photos) -> dict[str, object]:
    text = json.dumps([table, photos])
    return {"table": table, "photos": photos, "seal": hashlib.sha256(text.encode()).hexdigest()[:32]}
