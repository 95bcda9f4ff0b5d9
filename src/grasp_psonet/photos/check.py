"""What `grasp check` says about the photo files, from their headers, and from the bytes of those of equal size."""

import pandas as pd

from grasp_psonet.errors import PhotoError
from grasp_psonet.photos.duplicates import digests_of_equal_sizes, same_bytes
from grasp_psonet.photos.files.decode import read_size
from grasp_psonet.photos.files.place import PhotoRoot, missing
from grasp_psonet.photos.settings import MOST_MEGAPIXELS
from grasp_psonet.tables.columns import PATH, PHOTO_ID, VISIT_ID


def photo_faults(photos: pd.DataFrame, root: PhotoRoot, most_megapixels: int = MOST_MEGAPIXELS) -> dict[int, str]:
    """By row number of photos.csv what is wrong with the file: it is missing, leaves the folder, is no regular file, no photo
    or too large. ``photos`` has ``path`` (from ``root``) and is indexed by row number; a file damaged further in is found
    by `grasp prepare`."""
    if PATH not in photos:
        return {}
    faults = {}
    for row, path in photos[PATH].items():
        if path == "":  # a fault of the table
            continue
        if root.lacks(path):
            faults[int(str(row))] = f"photos.csv row {row}: {missing(f'{root.folder}/{path}')}"
            continue
        try:
            read_size(root.file(path), most_megapixels)
        except PhotoError as error:
            faults[int(str(row))] = f"photos.csv row {row}: {error}"
    return faults


def duplicate_findings(
    photos: pd.DataFrame, root: PhotoRoot, visits: pd.DataFrame | None
) -> tuple[list[str], list[str]]:
    """Photos of equal bytes: those of several visits, and those within one. ``photos`` are rows whose files can be read;
    ``visits`` has patient and split where the tables have no fault."""
    if not {PATH, PHOTO_ID, VISIT_ID} <= set(photos.columns):
        return [], []
    try:
        found = same_bytes(photos, digests_of_equal_sizes(photos[PATH].unique(), root.file), visits)
    except (OSError, PhotoError) as error:  # a file went away meanwhile
        return [str(error)], []
    return [one.words for one in found if one.across], [one.words for one in found if not one.across]
