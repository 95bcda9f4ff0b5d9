"""``grasp look``: the photos and tables of a study on one page, before anything is trained."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from grasp_psonet.chance import seed_of
from grasp_psonet.errors import FileError, PhotoError, StageError, StudyError
from grasp_psonet.files import write_whole
from grasp_psonet.photos.files.decode import decode_photo
from grasp_psonet.photos.files.place import PhotoRoot
from grasp_psonet.photos.measures import measure_quality
from grasp_psonet.photos.quality import near_duplicates
from grasp_psonet.photos.store import PhotoStore, open_store
from grasp_psonet.progress import track
from grasp_psonet.proof import is_complete, proven
from grasp_psonet.report.look import Distribution, LookPage, Measured, Sheet, Thumbnail, render
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.report.faces import Shown, blurred, hidden_note, ways_to_show
from grasp_psonet.tables.columns import (
    FITZPATRICK,
    HASH,
    NEAR_DUPLICATE_OF,
    PATH,
    PATIENT_ID,
    PHOTO_ID,
    SPLIT,
    VIEW,
    VISIT_ID,
)

NUM_VISITS = 48
_PICTURE_PX = 96
_MOST_EXTREME = 6
_MOST_ALIKE = 24
_MOST_VALUES = 60  # of a distribution; the rest is one row
_NOT_TOLD = "not told"
_MEASURES = {
    "brightness": ("Mean grey level, 0 to 255", "Darkest", "Brightest"),
    "contrast": ("Spread of grey levels", "Flattest", ""),
    "sharpness": ("Variance of the Laplacian, small is blurred", "Most blurred", ""),
    "cast_red_green": ("Mean red less mean green, negative is greenish", "Greenest", "Reddest"),
    "cast_yellow_blue": ("Mean red and green less blue, negative is bluish", "Bluest", "Yellowest"),
}
_TITLES = {"cast_red_green": "Cast, red to green", "cast_yellow_blue": "Cast, yellow to blue"}


def look(job: Job, out: Path | None = None, num_visits: int = NUM_VISITS) -> Path:
    """Writes the page, by default ``look/look.html`` of the study, and returns its path.

    Photos come from the store where one stands, else those of the visits shown are decoded. Raises TableError with every fault
    of the tables, StudyError for a study of precomputed features, FileError where the page cannot be written.
    """
    if job.kind == "features":
        raise StudyError(f"{job.study.folder} is a study of precomputed features\n  next: it has no photos to look at")
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        told = f"{out} is a folder" if out.is_dir() else f"there is no folder {out.parent}"
        raise FileError(f"{told}\n  next: name a file in a folder that is there")
    target = out or job.study.folder / "look" / "look.html"
    page = render(_page(job, num_visits))
    target.parent.mkdir(exist_ok=True)
    write_whole(target, lambda beside: beside.write_text(page, encoding="utf-8"))
    return target


@dataclass(frozen=True, eq=False)
class _Album:
    """The photos at hand: pixels by photo id, measures as a table, and why some cannot be read."""

    pixels: dict[str, NDArray[np.uint8]]
    measures: pd.DataFrame
    unreadable: dict[str, str]
    is_whole: bool
    ways: dict[str, Shown]

    def thumbnail(self, photo_id: str, words: str) -> Thumbnail:
        """A photo small, or why it cannot be shown."""
        if photo_id not in self.pixels:
            return Thumbnail(photo_id, None, self.unreadable.get(photo_id, "not read"))
        if self.ways[photo_id] == "not":
            return Thumbnail(photo_id, None, words)
        return Thumbnail(photo_id, _small(self.pixels[photo_id], self.ways[photo_id] == "blurred"), words)

    @cached_property
    def alike(self) -> pd.DataFrame:
        """Photos that look like an earlier one of their visit: photo_id and near_duplicate_of."""
        found = self.measures
        if NEAR_DUPLICATE_OF not in found:
            found = found.assign(**{NEAR_DUPLICATE_OF: near_duplicates(found)})
        return found.loc[found[NEAR_DUPLICATE_OF].notna(), [PHOTO_ID, NEAR_DUPLICATE_OF]]


class _Stored(dict[str, NDArray[np.uint8]]):
    """The store's pixels by photo id, read from disk as they are shown."""

    def __init__(self, store: PhotoStore) -> None:
        super().__init__()
        self._pixels, self._row = store.pixels, dict(zip(store.index[PHOTO_ID], store.index["row"], strict=True))

    def __contains__(self, photo_id: object) -> bool:
        return photo_id in self._row

    def __getitem__(self, photo_id: str) -> NDArray[np.uint8]:
        return np.asarray(self._pixels[int(self._row[photo_id])])


def _page(job: Job, num_visits: int) -> LookPage:
    visits, photos = job.cohort.visits, job.cohort.photos
    shown = _drawn(job, visits, num_visits)
    album = _album(job, photos, photos[photos[VISIT_ID].isin(shown[VISIT_ID])])
    notes = [words] if (words := hidden_note(job)) else []
    if not album.is_whole:
        notes.append(
            f"Quality is that of the {len(album.measures)} photos shown; after `grasp prepare` it is that of all {len(photos)}."
        )
    if album.unreadable:
        notes.append(f"{len(album.unreadable)} photos cannot be read; `grasp check` names them all.")
    return LookPage(
        study=job.study.folder.resolve().name,
        facts=_facts(job, visits, photos),
        notes=tuple(notes),
        distributions=tuple(_distributions(job, visits, photos)),
        measured=tuple(_measured(album, visits)),
        duplicates=tuple(
            (album.thumbnail(str(earlier), ""), album.thumbnail(str(photo_id), ""))
            for photo_id, earlier in album.alike.head(_MOST_ALIKE).to_numpy()
        ),
        sheets=tuple(_sheets(job, shown, photos, album)),
        num_visits=len(visits),
    )


def _drawn(job: Job, visits: pd.DataFrame, num_visits: int) -> pd.DataFrame:
    """So many visits, in the order of the table: by turns one of every class and split, drawn by the seed."""
    strata = visits[job.outcome.label_column].map(job.outcome.stratum_of).astype(str) + visits[SPLIT].astype(str)
    chance = visits[VISIT_ID].map(lambda visit_id: seed_of("look", job.settings.seed, str(visit_id)))
    turn = chance.groupby(strata).rank(method="first")
    order = pd.DataFrame({"turn": turn, "chance": chance}).sort_values(["turn", "chance"]).index
    return visits.loc[sorted(order[:num_visits])]


def _album(job: Job, photos: pd.DataFrame, shown: pd.DataFrame) -> _Album:
    ways = ways_to_show(job, photos[PHOTO_ID])
    if is_complete(job.study.store):
        try:
            store = open_store(proven(job.study.store))
        except StageError:  # damaged: the photos themselves are looked at
            store = None
        if store is not None and list(store.index[PHOTO_ID]) == list(photos[PHOTO_ID]):
            return _Album(_Stored(store), store.index, {}, is_whole=True, ways=ways)
    pixels, rows, unreadable = {}, [], {}
    settings = job.settings.photos
    root = PhotoRoot(job.photo_root, settings.links == "anywhere")
    pairs = list(zip(shown[PHOTO_ID], shown[VISIT_ID], shown[PATH], strict=True))
    for photo_id, visit_id, path in track(pairs, "look", len(pairs)):
        place = job.photo_root / path
        try:
            whole = decode_photo(root.file(path), settings.edge_px, settings.fit, settings.most_megapixels).pixels
        except PhotoError as error:
            reason = str(error).replace(str(place), "").replace(str(path), "").partition("\n")[0].strip()
            unreadable[photo_id] = f"cannot be read: it {reason}"
            continue
        pixels[photo_id] = np.asarray(_shrunk(whole))
        rows.append({PHOTO_ID: photo_id, VISIT_ID: visit_id} | vars(measure_quality(whole)))
    return _Album(
        pixels,
        pd.DataFrame(rows, columns=[PHOTO_ID, VISIT_ID, *_MEASURES, HASH]),
        unreadable,
        len(shown) == len(photos),
        ways,
    )


def _facts(job: Job, visits: pd.DataFrame, photos: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    per_visit = photos[VISIT_ID].value_counts()
    read_twice = int(visits[list(job.outcome.label_columns)].notna().all(axis=1).sum())
    return (
        ("Patients", f"{visits[PATIENT_ID].nunique():,}"),
        ("Visits", f"{len(visits):,}"),
        ("Photos", f"{len(photos):,}"),
        ("Photos per visit", f"{per_visit.min()} to {per_visit.max()}"),
        ("Visits read twice", f"{read_twice:,}"),
    )


def _distributions(job: Job, visits: pd.DataFrame, photos: pd.DataFrame) -> Iterable[Distribution]:
    strata = visits[job.outcome.label_column].map(job.outcome.stratum_of)
    for split in ("train", "val", "test"):
        own = strata[visits[SPLIT] == split]
        counts = tuple((name, int((own == i).sum())) for i, name in enumerate(job.outcome.strata))
        yield Distribution(f"Visits of {split} by class (Reader 1)", counts)
    if FITZPATRICK in visits and visits[FITZPATRICK].notna().any():
        yield Distribution("Visits by skin type", _counted(visits[FITZPATRICK]))
    per_visit = photos[VISIT_ID].value_counts().value_counts().sort_index()
    rows = [(str(number), int(visits_of)) for number, visits_of in per_visit.items()]
    yield Distribution("Visits by number of photos", _folded(rows))
    if photos[VIEW].notna().any():
        yield Distribution("Photos by view", _counted(photos[VIEW]))
    yield Distribution(
        "Patients by number of visits",
        tuple((str(n), int(c)) for n, c in visits[PATIENT_ID].value_counts().value_counts().sort_index().items()),
    )


def _counted(values: "pd.Series[Any]") -> tuple[tuple[str, int], ...]:
    counts = values.astype("string").fillna(_NOT_TOLD).value_counts().sort_index()
    return _folded([(str(name), int(number)) for name, number in counts.items()])


def _folded(rows: list[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    """At most so many rows; the further ones in one."""
    if len(rows) <= _MOST_VALUES:
        return tuple(rows)
    rest = rows[_MOST_VALUES:]
    return (*rows[:_MOST_VALUES], (f"{len(rest)} further", sum(number for _, number in rest)))


def _measured(album: _Album, visits: pd.DataFrame) -> Iterable[Measured]:
    if album.measures.empty:
        return
    types = visits.set_index(VISIT_ID)[FITZPATRICK] if FITZPATRICK in visits else pd.Series(dtype="string")
    type_of = album.measures[VISIT_ID].map(types.to_dict())
    for name, (meaning, lowest, highest) in _MEASURES.items():
        order = album.measures.sort_values(name, kind="stable")
        medians = album.measures[name].astype(float).groupby(type_of).median()
        ends = [(lowest, order.head(_MOST_EXTREME)), (highest, order.tail(_MOST_EXTREME).iloc[::-1])]
        yield Measured(
            _TITLES.get(name, name.capitalize()),
            meaning,
            album.measures[name].to_numpy(np.float64),
            tuple((str(kind), float(value)) for kind, value in medians.items()),
            tuple((words, _end(album, photos, name)) for words, photos in ends if words),
        )


def _end(album: _Album, photos: pd.DataFrame, name: str) -> tuple[Thumbnail, ...]:
    pairs = zip(photos[PHOTO_ID], photos[name], strict=True)
    return tuple(album.thumbnail(str(photo_id), f"{value:.1f}") for photo_id, value in pairs)


def _sheets(job: Job, shown: pd.DataFrame, photos: pd.DataFrame, album: _Album) -> Iterable[Sheet]:
    of_visit = dict(list(photos.groupby(VISIT_ID, sort=False)))
    outcome = job.outcome
    for visit in shown.to_dict("records"):
        own = of_visit[visit[VISIT_ID]]
        words = [f"patient {visit[PATIENT_ID]}", str(visit[SPLIT])]
        for reader, column in enumerate(outcome.label_columns, start=1):
            if pd.notna(visit[column]):
                words.append(f"Reader {reader}: {outcome.strata[outcome.stratum_of(visit[column])]}")
        if FITZPATRICK in visit and pd.notna(visit[FITZPATRICK]):
            words.append(f"skin type {visit[FITZPATRICK]}")
        words.append(f"{len(own)} photos")
        views = own[VIEW].astype("string").fillna("")
        yield Sheet(
            str(visit[VISIT_ID]),
            ", ".join(words),
            tuple(
                album.thumbnail(str(photo_id), str(view)) for photo_id, view in zip(own[PHOTO_ID], views, strict=True)
            ),
        )


def _small(pixels: NDArray[np.uint8], is_blurred: bool) -> bytes:
    image = blurred(_shrunk(pixels)) if is_blurred else _shrunk(pixels)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return buffer.getvalue()


def _shrunk(pixels: NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(pixels)
    image.thumbnail((_PICTURE_PX, _PICTURE_PX))
    return image
