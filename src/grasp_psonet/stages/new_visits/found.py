"""Which photos, or files of vectors, show which new visit: by folders, or by a table."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grasp_psonet.bags.bag import Bag
from grasp_psonet.cohort.body_regions import region_numbers
from grasp_psonet.cohort.faults import Fault, told
from grasp_psonet.cohort.sources.mapping import Wanted
from grasp_psonet.cohort.sources.read import read_text_table
from grasp_psonet.cohort.sources.settings import TablesSettings
from grasp_psonet.cohort.text_table import TextTable, duplicate_faults, value_faults
from grasp_psonet.errors import FeatureError, PhotoError, TableError
from grasp_psonet.features.files import FILE_ENDINGS, read_vectors
from grasp_psonet.photos.files.decode import decode_photo
from grasp_psonet.photos.files.formats import ENDINGS
from grasp_psonet.photos.workers import PhotoForm
from grasp_psonet.progress import track
from grasp_psonet.stages.new_visits.pixels import PixelFile
from grasp_psonet.tables.columns import PATH, PHOTO_ID, VIEW, VISIT_ID

_MOST_TOLD = 50


@dataclass(frozen=True)
class NewPhoto:
    """A photo of a new visit: whose it is, what it is called there, where it lies, and its view where a table tells it."""

    visit_id: str
    photo_id: str
    path: Path
    view: str = ""


@dataclass(frozen=True)
class PassedOver:
    """Files that were passed over: in words that may stand in any output, and their names, for the terminal alone."""

    words: str
    names: str = ""

    def __str__(self) -> str:
        return f"{self.words}: {self.names}" if self.names else self.words


@dataclass(frozen=True, eq=False)
class NewBags:
    """New visits as bags without a label (0), whose rows are those of ``instances``: photos [P, edge, edge, RGB] uint8, on
    disk, or vectors [P, F] float32. ``passed_over``: notes on files that are no photos.
    """

    bags: list[Bag]
    instances: PixelFile | NDArray[np.float32]
    passed_over: tuple[PassedOver, ...] = ()


def photos_in(place: Path) -> tuple[list[NewPhoto], list[PassedOver]]:
    """The photos of new visits, visit by visit, and notes on files that were passed over.

    ``place`` is a folder with one folder of photos per visit, a folder with the photos of one visit (named by it), or a table
    in the form of photos.csv (visit_id and path are needed; paths start at the table's folder). A photo is called by its visit
    and its place there (v1-01, v1-02, by the order of names or rows), unless the table has a photo_id: no name of a file
    stands in an output. Raises PhotoError where nothing is found, TableError with every fault of the table.
    """
    if place.is_dir():
        return _in_folders(place)
    if not place.is_file():
        raise PhotoError(
            f"{place} is neither a folder nor a table\n  next: name a folder of photos, or a table of them"
        )
    if place.suffix.lower() in ENDINGS:
        raise PhotoError(f"{place} is a photo\n  next: name the folder that it lies in, or a table of photos")
    return _in_table(place), []


def decoded(photos: Sequence[NewPhoto], form: PhotoForm, passed_over: Sequence[PassedOver] = ()) -> NewBags:
    """The photos as bags of pixels. Raises PhotoError listing every one that cannot be read."""
    pixels, faults = PixelFile(len(photos), form.edge_px), []
    for row, photo in enumerate(track(photos, "photos", len(photos))):
        try:
            pixels.write(row, decode_photo(photo.path, form.edge_px, form.fit, form.most_megapixels).pixels)
        except PhotoError as error:
            faults.append(str(error))
    if faults:
        hidden = len(faults) - _MOST_TOLD
        raise PhotoError(
            f"{len(faults)} of {len(photos)} photos cannot be read:\n  "
            + "\n  ".join(faults[:_MOST_TOLD])
            + (f"\n  and {hidden} more" if hidden > 0 else "")
            + "\n  next: replace these files, or leave them out"
        )
    rows_of: dict[str, list[int]] = {}
    for row, photo in enumerate(photos):
        rows_of.setdefault(photo.visit_id, []).append(row)
    bags = [
        Bag(visit_id, 0, tuple(photos[row].photo_id for row in rows), tuple(rows), (True,) * len(rows))
        for visit_id, rows in rows_of.items()
    ]
    return NewBags(bags, pixels, tuple(passed_over))


def vectors_in(folder: Path, length: int) -> NewBags:
    """One visit per file of vectors of this length, named by it. Raises FeatureError."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in FILE_ENDINGS) if folder.is_dir() else []
    if not paths:
        raise FeatureError(f"{folder} holds no file of features\n  next: one file a visit: {', '.join(FILE_ENDINGS)}")
    found, bags, row = [], [], 0
    for path in paths:
        vectors = read_vectors(path)
        if vectors.shape[1] != length:
            raise FeatureError(f"{path} holds vectors of length {vectors.shape[1]}; the run reads {length}")
        names = tuple(f"{path.stem}-{number:05d}" for number in range(1, 1 + len(vectors)))
        bags.append(Bag(path.stem, 0, names, tuple(range(row, row + len(vectors))), (True,) * len(vectors)))
        found.append(vectors)
        row += len(vectors)
    return NewBags(bags, np.concatenate(found))


def _in_folders(place: Path) -> tuple[list[NewPhoto], list[PassedOver]]:
    inside = sorted(path for path in place.iterdir() if path.is_dir() and not path.name.startswith("."))
    folders = inside or [place]
    if odd := [folder.name for folder in folders if not folder.name.isprintable()]:
        raise PhotoError(
            f"the name of folder {odd[0]!a} under {place} is no readable text, and names a visit\n  next: rename it"
        )
    photos: list[NewPhoto] = []
    notes, empty = [], []
    if inside and (beside := [path for path in place.iterdir() if _is_photo(path)]):
        notes.append(PassedOver(f"{len(beside)} photo(s) beside the folders of visits are passed over", _few(beside)))
    for folder in folders:
        found = sorted(path for path in folder.iterdir() if _is_photo(path))
        if away := [path for path in found if not path.resolve().is_relative_to(place.resolve())]:
            raise PhotoError(
                f"{away[0].name} in {folder.name} is a link that leads out of {place}\n  next: put the photo itself there"
            )
        other = [path for path in folder.iterdir() if not _is_photo(path) and not path.name.startswith(".")]
        visit_id = folder.resolve().name
        if other and (inside or found):
            words = f"visit {visit_id}: {len(other)} file(s) or folder(s) that are no photo are passed over"
            notes.append(PassedOver(words, _few(other)))
        if not found:
            empty.append(visit_id)
        photos += [NewPhoto(visit_id, f"{visit_id}-{number:02d}", path) for number, path in enumerate(found, start=1)]
    if not photos:
        raise PhotoError(_why_nothing(place, inside))
    if empty:
        raise PhotoError(
            f"no photo in {', '.join(empty[:5])} under {place}: looked for files that end in {', '.join(ENDINGS)}"
            "\n  next: put photos there, or take the folder out"
        )
    return photos, notes


def _why_nothing(place: Path, inside: list[Path]) -> str:
    """What was looked for in a folder that holds nothing of it, and what is there."""
    files = [path for folder in (place, *inside) for path in folder.iterdir() if not path.is_dir()]
    deeper = [path for folder in inside for path in folder.iterdir() if path.is_dir()]
    kinds = Counter(path.suffix.lower() or "no ending" for path in files if not path.name.startswith("."))
    seen = [f"{number} file(s) with {kind}" for kind, number in kinds.most_common(5)]
    seen += [f"{len(inside)} folder(s)"] * bool(inside) + [f"{len(deeper)} folder(s) within those"] * bool(deeper)
    return (
        f"{place} holds no photo: looked for files that end in {', '.join(ENDINGS)}, in it and in the folders in it; there "
        f"{'is ' + ', '.join(seen) if seen else 'is nothing at all'}"
        "\n  next: name a folder with one folder of photos per visit, the folder of one visit's photos, or a table of photos"
    )


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".") and not path.is_dir()


def _few(paths: list[Path]) -> str:
    names = sorted(path.name for path in paths)
    return ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")


def _in_table(place: Path) -> list[NewPhoto]:
    table = read_text_table(place, Wanted("photos", ((VISIT_ID,), (PATH,)), (PHOTO_ID, VIEW)), TablesSettings())
    faults = list(table.faults)
    if VISIT_ID in table.text and PATH in table.text:
        faults += _faults_of_rows(table)
    if faults:
        lines = told(faults)
        raise TableError(
            f"{len(lines)} fault(s) in the table of photos (the header is row 1):\n  "
            + "\n  ".join(lines[:_MOST_TOLD])
            + "\n  next: correct it; it is read as photos.csv is, without a photo_id where there is none"
        )
    text = table.text
    numbers = (text.groupby(VISIT_ID).cumcount() + 1).map("{:02d}".format)
    names = text[PHOTO_ID] if PHOTO_ID in text else text[VISIT_ID] + "-" + numbers
    views = text[VIEW] if VIEW in text else pd.Series("", text.index)
    return [
        NewPhoto(str(visit_id), str(name), place.parent / path, str(view))
        for visit_id, name, path, view in zip(text[VISIT_ID], names, text[PATH], views, strict=True)
    ]


def in_regions(new: NewBags, photos: Sequence[NewPhoto], views: pd.DataFrame | None) -> NewBags:
    """The bags with the region of the body of every photo: its view in the table of photos, by the study's views.csv.

    Raises PhotoError naming photos of which the region is not known.
    """
    told = pd.DataFrame({VIEW: [photo.view for photo in photos]}, dtype="string")
    number = region_numbers(told, views)
    if number.isna().any():
        lacking = [photo.photo_id for photo, none in zip(photos, number.isna(), strict=True) if none]
        raise PhotoError(
            f"the run reads photos by the region of the body, and that of {len(lacking)} of {len(photos)} photos is not known"
            f" (first: {lacking[0]})\n  next: name a table of photos (visit_id, path, view) whose views are codes of the"
            " study's views.csv"
        )
    bags = [replace(bag, regions=tuple(int(number[row]) for row in bag.rows)) for bag in new.bags]
    return replace(new, bags=bags)


def _faults_of_rows(table: TextTable) -> list[Fault]:
    faults: list[Fault] = []
    for column in (VISIT_ID, PATH):
        cells = table.text[column]
        faults += value_faults(table, column, cells == "", "wanted a value")
        faults += value_faults(table, column, ~cells.map(str.isprintable), "holds letters that cannot be shown")
    leaves = table.text[PATH].map(lambda path: Path(path).is_absolute() or ".." in Path(path).parts)
    faults += value_faults(table, PATH, leaves, "leaves the folder of the table; wanted a path below it")
    faults += duplicate_faults(table, PATH, "each file once")
    if PHOTO_ID in table.text:
        faults += duplicate_faults(table, PHOTO_ID, "must be unique")
    return faults
