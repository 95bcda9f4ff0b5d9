"""What `grasp check` says about the photo files, from their headers alone."""

from pathlib import Path

import pandas as pd

from grasp_psonet.errors import PhotoError
from grasp_psonet.photos.decode import read_size
from grasp_psonet.tables.columns import PATH


def photo_faults(photos: pd.DataFrame, root: Path) -> list[str]:
    """One message per photo whose file is missing, is no JPEG or PNG, or is too large. ``photos`` has ``path`` (from
    ``root``) and is indexed by row number of photos.csv; a file damaged further in is found by `grasp prepare`."""
    if PATH not in photos:
        return []
    faults = []
    for row, path in photos[PATH].items():
        if path == "":  # a fault of the table
            continue
        try:
            read_size(root / path)
        except PhotoError as error:
            faults.append(f"photos.csv row {row}: {error}")
    return faults
