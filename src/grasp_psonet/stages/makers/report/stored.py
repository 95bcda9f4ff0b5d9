"""The prepared photos as the report may show them: as they are, blurred, or not at all (``report.photos``)."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from grasp_psonet.photos.store import PhotoStore, open_store
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.makers.report.faces import blurred, ways_to_show
from grasp_psonet.tables.columns import PHOTO_ID


class Stored:
    """Pixels by photo id, read from disk as they are asked for."""

    def __init__(self, job: Job, store: PhotoStore) -> None:
        self._store = store
        self._row = {photo_id: row for row, photo_id in enumerate(store.index[PHOTO_ID])}
        self._ways = ways_to_show(job, self._row)

    @cached_property
    def edge_px(self) -> int:
        """Edge of a prepared photo."""
        return self._store.edge_px

    def is_as_it_is(self, photo_id: str) -> bool:
        """Whether the photo is shown unblurred, so that maps of it may be shown too."""
        return self._ways.get(photo_id) == "as it is"

    def may_show(self, photo_id: str) -> bool:
        """Whether the photo may be shown, be it blurred."""
        return self._ways.get(photo_id, "not") != "not"

    def shown(self, photo_id: str) -> NDArray[np.uint8] | None:
        """The photo [row, column, RGB]; None where it may not be shown, or is not in the store."""
        way = self._ways.get(photo_id, "not")
        if way == "not":
            return None
        pixels = np.asarray(self._store.pixels[self._row[photo_id]])
        return np.asarray(blurred(Image.fromarray(pixels))) if way == "blurred" else pixels


def stored_photos(job: Job) -> Stored | None:
    """The photos of a study; None of precomputed features, and where no photo is to be shown."""
    if job.kind == "features" or job.settings.report.photos == "none":
        return None
    return Stored(job, open_store(job.study.store))
