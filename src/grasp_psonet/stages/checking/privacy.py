"""``grasp check --privacy``: reads every file that the product made in a study, and says what it looked for and found."""

import base64
import binascii
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from grasp_psonet.errors import PhotoError
from grasp_psonet.photos.files.formats import ENDINGS
from grasp_psonet.photos.files.marks import marks_of, raw_marks
from grasp_psonet.photos.files.secrets import Secrets, secrets_of, stands_in
from grasp_psonet.stages.job import Job
from grasp_psonet.tables.columns import PATH

_FOLDERS = (
    *("store", "quality", "features", "out_of_fold", "learning", "runs", "traces", "prunings", "evaluation"),
    *("audit", "paper_audit", "explain", "diagnosis", "report", "revisions", "predictions", "look", "exports"),
)
_FILES = ("truth.parquet", "truth_visits.parquet")
_REPEATING = (".photo-digests.json", "check.csv")  # of the user's own tables, for the user
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")
_TEXTS = (".html", ".svg", ".json", ".jsonl", ".csv", ".txt", ".md", ".yaml", ".log")
_MOST_SECRETS = 2000
_PICTURE_IN_TEXT = re.compile(r"data:image/[\w+.-]+;base64,([A-Za-z0-9+/=]+)")
_PLACES = "home|Users|root|tmp|var|mnt|media|srv|data|opt|work|private|Volumes|nfs|scratch|export|usr"
_PLACE = re.compile(
    rf"(?<![\w/.:<>-])/(?:{_PLACES})/[\w.~-][^\s\"'<>|,;)\]]*|(?<![A-Za-z])[A-Za-z]:\\{{1,2}}[\w .-]{{2,}}\\"
)
_TIME = re.compile(r"\b\d{4}:\d\d:\d\d \d\d:\d\d:\d\d\b")
_ENDING = re.compile(rf"(?:{'|'.join(re.escape(end) for end in ENDINGS)})\b", re.IGNORECASE)
_BEFORE_A_NAME = re.compile(r"[\"'<>|,;\n\t/\\=]")
_LONGEST_NAME = 255
LOOKED_FOR = (
    "EXIF, GPS, XMP, IPTC, further pictures (MPF), thumbnails, colour profiles and comments in pictures, also those inside "
    "pages; marks of them in all other files; bytes behind pixels and numbers",
    "names of the original files",
    "absolute paths, among them those of the study and of the photos",
    "capture times as cameras write them",
    "what the originals say in words: EXIF (descriptions, owners, serial numbers, comments), XMP, IPTC, text chunks of PNG, "
    "comments of JPEG, EXIF and XMP of HEIC, attributes of DICOM (names, ids, institutions, dates)",
)


@dataclass(frozen=True)
class Sought:
    """What is looked for in texts: paths of this machine, names of the originals, and what these say of themselves."""

    places: tuple[str, ...]
    names: frozenset[str]
    secrets: Secrets
    num_own: int = 0  # texts of originals that the user's own tables hold as well, such as a pseudonym


def check_privacy(job: Job) -> int:
    """Prints what was looked for, where, and what was found; 1 if anything was, else 0."""
    sought, files = _sought(job), list(produced_files(job.study.folder))
    lines = [f"looked for: {what}" for what in LOOKED_FOR]
    num_texts = len(sought.secrets.texts)
    lines.append(
        f"of {sought.secrets.num_photos} originals: {len(sought.names)} names, {len(sought.secrets.times)} capture times, "
        f"{num_texts} other texts"
        + (f", of which the first {_MOST_SECRETS} were looked for" if num_texts > _MOST_SECRETS else "")
    )
    if sought.secrets.num_closed:
        lines.append(
            f"of {sought.secrets.num_closed} more originals (damaged, or HEIC and DICOM without their extras) no text could be "
            "read"
        )
    if sought.num_own:
        lines.append(f"not looked for: {sought.num_own} texts of originals that stand in your own tables as well")
    found = [
        f"found: {file.relative_to(job.study.folder)}: {what}" for file in files for what in findings_in(file, sought)
    ]
    size = sum(file.stat().st_size for file in files)
    lines.append(f"looked at: {len(files)} files, {size / 2**20:.1f} MiB")
    if repeating := [name for name in _REPEATING if (job.study.folder / name).exists()]:
        told = " and ".join(repeating)
        lines.append(
            f"not looked at: your tables and photos, and {told}, with paths of photos.csv; delete before handing on"
        )
    lines += found
    lines.append(f"{len(found)} finding(s); do not hand these files on" if found else "nothing found")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if found else 0


def produced_files(study: Path) -> Iterator[Path]:
    """Every file of the stages, also of unfinished ones; links are not followed."""
    folders = [study / f"{name}{end}" for name in _FOLDERS for end in ("", ".partial", ".old")]
    for folder in (folder for folder in folders if folder.is_dir() and not folder.is_symlink()):
        yield from sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    yield from (study / name for name in _FILES if (study / name).is_file())


def findings_in(file: Path, sought: Sought) -> list[str]:
    """What stands in one file that should not, in words."""
    kind = file.suffix.lower()
    try:
        if kind in _PICTURES:
            return marks_of(file.read_bytes())
        if kind in _TEXTS:
            return _in_text(file.read_text(encoding="utf-8", errors="replace"), sought)
        if kind == ".parquet":
            return _in_text(_text_of_parquet(file), sought)
        if kind == ".npy":
            return _behind(file, _size_of_npy(file))
        if kind == ".safetensors":
            return _in_safetensors(file, sought)
        return raw_marks(file.read_bytes())
    except (ValueError, OSError, pa.ArrowException) as error:
        return [f"cannot be looked into: {str(error).partition(chr(10))[0]}"]


def _sought(job: Job) -> Sought:
    places = [job.study.folder.resolve(), job.study.folder.absolute(), job.photo_root.resolve(), Path.home()]
    paths, names, files = job.tables.photos[PATH].astype(str).unique(), set(), []
    for path in paths if job.kind == "photos" else ():
        names |= {path, Path(path).name}
        try:
            files.append(job.photo_files.file(path))
        except PhotoError:
            continue  # for `grasp check` to say
    told = tuple(sorted({str(place) for place in places if len(place.parts) > 1}))
    secrets, own = secrets_of(files), _told_by_tables(job)
    kept = replace(secrets, texts=secrets.texts - own)
    return Sought(told, frozenset(name for name in names if Path(name).suffix), kept, len(secrets.texts & own))


def _told_by_tables(job: Job) -> frozenset[str]:
    """Cells of the user's tables, which stand in outputs because the user put them there."""
    cells: set[str] = set()
    for table in (job.tables.visits, job.tables.photos):
        words = table.drop(columns=PATH, errors="ignore").select_dtypes(exclude="number")
        for name in words:
            cells |= set(words[name].dropna().astype(str).unique())
    return frozenset(cells)


def _in_text(text: str, sought: Sought) -> list[str]:
    found = []
    for encoded in _PICTURE_IN_TEXT.findall(text):
        try:
            found += [f"a picture with {what}" for what in marks_of(base64.b64decode(encoded, validate=True))]
        except binascii.Error:
            found.append("a picture that cannot be read")
    text = _PICTURE_IN_TEXT.sub("", text)
    places = [place for place in sought.places if place in text] + _PLACE.findall(text)
    found += [f"an absolute path: {_cut(place)}" for place in places[:1]]
    original = next((name for name in _names_in(text) if name in sought.names), None)
    found += [] if original is None else [f"the name of an original: {_cut(original)}"]
    times = _TIME.findall(text)
    found += [f"a capture time: {times[0]}"] if times else []
    texts = sorted(sought.secrets.texts)[:_MOST_SECRETS]
    found += [f"a text of an original's metadata: {_cut(secret)}" for secret in texts if stands_in(secret, text)]
    return list(dict.fromkeys(found))


def _names_in(text: str) -> Iterator[str]:
    """Everything that could be the name of a photo: up to an ending, from the separator before it or from any space."""
    for ending in _ENDING.finditer(text):
        name = _BEFORE_A_NAME.split(text[max(0, ending.end() - _LONGEST_NAME) : ending.end()])[-1]
        words = name.split(" ")
        yield from (" ".join(words[start:]) for start in range(len(words)))


def _text_of_parquet(file: Path) -> str:
    """Names and metadata of the table, and every value that is text or bytes."""
    table = pq.read_table(file)
    parts = [f"{key!r}={value!r}" for key, value in (table.schema.metadata or {}).items()]
    for name, column in zip(table.column_names, table.columns, strict=True):
        parts.append(name)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type) or pa.types.is_binary(column.type):
            parts += [str(value) for value in column.unique().to_pylist() if value is not None]
    return "\n".join(parts)


def _size_of_npy(file: Path) -> int:
    """How large a file of numbers is by its header."""
    array = np.load(file, mmap_mode="r", allow_pickle=False)
    offset = getattr(array, "offset", 0)
    return int(offset + array.nbytes)


def _behind(file: Path, told: int) -> list[str]:
    more = file.stat().st_size - told
    return [f"{more} bytes behind the numbers"] if more else []


def _in_safetensors(file: Path, sought: Sought) -> list[str]:
    with file.open("rb") as opened:
        size = int.from_bytes(opened.read(8), "little")
        if size > file.stat().st_size:
            raise ValueError("no safetensors header")
        header = opened.read(size).decode("utf-8")
    ends = [one["data_offsets"][1] for name, one in json.loads(header).items() if name != "__metadata__"]
    return _in_text(header, sought) + _behind(file, 8 + size + max(ends, default=0))


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
