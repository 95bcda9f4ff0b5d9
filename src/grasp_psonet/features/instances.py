"""The instances of a study of precomputed features: one per vector, named by visit and place or as its file names them."""

# Axes: P instances of the study, F feature length.

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from grasp_psonet.errors import FeatureError
from grasp_psonet.features.files import FeatureFile, look_at, read_vectors
from grasp_psonet.features.store import INDEX_FILE, VECTORS_FILE
from grasp_psonet.photos.store import map_for_writing
from grasp_psonet.progress import Track, track
from grasp_psonet.tables.columns import KEY, PATH, PHOTO_ID, ROW, VIEW, VISIT_ID
from grasp_psonet.tables.schemas.store import FEATURE_INDEX

_MOST_TOLD = 50


def instance_table(files: pd.DataFrame, root: Path) -> pd.DataFrame:
    """The rows of features.csv (visit_id, view, path from ``root``, key, further columns), one for each vector and with a
    photo_id: the file's own names, else ``VISIT-00001``, counting through the files of a visit.

    Only headers are read. Raises FeatureError listing every file that cannot be used, files of another length, and names
    that stand twice.
    """
    looks = [_look(root / path, key) for path, key in _places(files)]
    faults = [look for look in looks if isinstance(look, str)]
    found = [look for look in looks if isinstance(look, FeatureFile)]
    if not faults:
        faults = _faults_of_lengths(files, found)
    if faults:
        raise FeatureError(_message(faults, len(files)))
    at = np.repeat(np.arange(len(files)), [look.num_vectors for look in found])
    table = files.iloc[at].reset_index(drop=True)
    place = table.groupby(VISIT_ID, sort=False).cumcount() + 1
    told = pd.Series([name for look in found for name in look.names or [None] * look.num_vectors], dtype="string")
    names = told.fillna(table[VISIT_ID] + "-" + place.astype("string").str.zfill(5)).astype("string")
    if twice := names[names.duplicated()].tolist():
        raise FeatureError(
            f"{len(twice)} names of vectors stand twice (first: {twice[0]!r}); they are unique in a study\n"
            "  next: give the files other names in photo_id, or none"
        )
    table.insert(0, PHOTO_ID, names)
    return table


def vector_faults(files: pd.DataFrame, root: Path) -> list[str]:
    """One message per file whose vectors cannot be used, every one of them read."""
    found = []
    for path, key in _places(files):
        try:
            read_vectors(root / path, key)
        except FeatureError as error:
            found.append(str(error))
    return found


def write_vectors(
    files: pd.DataFrame, instances: pd.DataFrame, root: Path, folder: Path, shown: Track[Any] = track
) -> int:
    """Copies the vectors of the files into ``folder`` as a feature store; their length.

    ``instances`` is ``instance_table`` of the files. Raises FeatureError listing every file that cannot be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    faults, row, mapped = [], 0, None
    for path, key in shown(_places(files), "files of features", len(files)):
        try:
            vectors = read_vectors(root / path, key)
        except FeatureError as error:
            faults.append(str(error))
            continue
        if mapped is None:
            shape = (len(instances), 1, vectors.shape[1])
            mapped = map_for_writing(folder / VECTORS_FILE, np.dtype(np.float32), shape, "fewer vectors")
        if not faults:
            mapped[row : row + len(vectors), 0] = vectors
            row += len(vectors)
    if faults:
        raise FeatureError(_message(faults, len(files)))
    assert mapped is not None, "a study without files"
    assert row == len(instances)
    mapped.flush()
    index = instances[[PHOTO_ID, VISIT_ID, VIEW]].astype("string")
    index.insert(0, ROW, np.arange(len(index)))
    FEATURE_INDEX.write(index, folder / INDEX_FILE)
    return int(mapped.shape[2])


def _places(files: pd.DataFrame) -> list[tuple[str, str | None]]:
    return [(str(path), None if pd.isna(key) else str(key)) for path, key in zip(files[PATH], files[KEY], strict=True)]


def _look(path: Path, key: str | None) -> FeatureFile | str:
    try:
        return look_at(path, key)
    except FeatureError as error:
        return str(error)


def _faults_of_lengths(files: pd.DataFrame, found: list[FeatureFile]) -> list[str]:
    first = found[0].feature_length
    return [
        f"{path} holds vectors of length {look.feature_length}; those of {files[PATH].iloc[0]} have {first}"
        for path, look in zip(files[PATH], found, strict=True)
        if look.feature_length != first
    ]


def _message(faults: list[str], num_files: int) -> str:
    hidden = len(faults) - _MOST_TOLD
    return (
        f"{len(faults)} of {num_files} files of features cannot be used:\n  "
        + "\n  ".join(faults[:_MOST_TOLD])
        + (f"\n  and {hidden} more" if hidden > 0 else "")
        + "\n  next: replace these files or remove their rows from features.csv; `grasp check` reads them all"
    )
