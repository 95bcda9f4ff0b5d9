"""Where plaques are on the photos of a drawn cohort: drawn again from the cohort's settings, and believed only where the photo
of the store is the one that was drawn."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from PIL import Image

from grasp_psonet.cohort.synthetic.cohort import plans_of
from grasp_psonet.cohort.synthetic.drawing.masks import PhotoMasks, masks_of
from grasp_psonet.cohort.synthetic.drawing.photo import PhotoPlan, draw_photo
from grasp_psonet.cohort.synthetic.tables import draw_tables
from grasp_psonet.photos.store import PhotoStore
from grasp_psonet.stages.drawn import is_synthetic
from grasp_psonet.stages.job import Job
from grasp_psonet.tables.columns import PHOTO_ID, ROW

# Mean difference of a photo from its drawing, of 255, that JPEG and resizing leave; another photo is farther off.
_MOST_OFF = 8.0


def drawn_masks(job: Job, store: PhotoStore, photo_ids: Iterable[str]) -> dict[str, PhotoMasks]:
    """Masks of these photos at the store's size; none of a study that was not drawn, and none of a photo that was changed since
    or is no photo of the cohort."""
    if not is_synthetic(job):
        return {}
    settings = job.settings
    tables = draw_tables(settings.cohort, job.outcome, settings.cohort_seed)
    plans = plans_of(tables, settings.cohort.edge_px, settings.cohort_seed)
    row_of: pd.Series[int] = store.index.set_index(PHOTO_ID)[ROW]
    found = {}
    for photo_id in dict.fromkeys(photo_ids):
        pixels_HWC = np.asarray(store.pixels[row_of[photo_id]])
        if photo_id in plans and is_as_drawn(plans[photo_id], pixels_HWC):
            found[photo_id] = masks_of(plans[photo_id]).resized(len(pixels_HWC))
    return found


def is_as_drawn(plan: PhotoPlan, pixels_HWC: np.ndarray) -> bool:
    """Whether these pixels, of any size, are those of the plan's photo but for JPEG and resizing."""
    height, width = pixels_HWC.shape[:2]
    drawn = Image.fromarray(draw_photo(plan)).resize((width, height), Image.Resampling.BICUBIC)
    return float(np.abs(np.asarray(drawn, float) - pixels_HWC).mean()) <= _MOST_OFF
