"""``grasp predict``: severity of new visits by a run's kept network."""

from pathlib import Path

import numpy as np
import pandas as pd

from grasp_psonet.bags.bag import Bag
from grasp_psonet.errors import PhotoError, StageError
from grasp_psonet.photos.decode import decode_photo
from grasp_psonet.proof import is_complete
from grasp_psonet.settings import parse
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.study import Study
from grasp_psonet.tables.columns import NUM_PHOTOS, PREDICTED, VISIT_ID
from grasp_psonet.training.predict import predict_bags
from grasp_psonet.trajectory.machine import use_machine

_ENDINGS = {".jpg", ".jpeg", ".png"}


def predict_folder(folder: Path, photos: Path) -> pd.DataFrame:
    """One row per new visit: visit_id, num_photos, p_* by class (p_mild and so on), predicted (a name).

    ``photos`` holds one folder of JPEG/PNG photos per visit, or the photos of one visit. Raises StageError when ``folder``
    is not a complete run, PhotoError when no photo is found or one cannot be read.
    """
    folder = folder.resolve()
    if folder.parent.name != "runs" or not is_complete(folder):
        raise StageError(f"{folder} is not a complete run\n  next: name a folder such as STUDY/runs/baseline")
    run = TrainedRun(Job(Study(folder.parent.parent), parse({}, "the defaults")), folder.name)
    edge_px = run.settings.edge_px
    network = run.photo_network(use_machine("auto", run.settings.threads))
    visits = _visits_in(photos)
    pixels: list[np.ndarray] = []
    bags = []
    for visit_id, paths in visits.items():
        rows = range(len(pixels), len(pixels) + len(paths))
        pixels += [decode_photo(path, edge_px).pixels for path in paths]
        bags.append(Bag(visit_id, 0, tuple(path.name for path in paths), tuple(rows), (True,) * len(paths)))
    table, _ = predict_bags(network, bags, pixels)
    outcome = run.outcome
    names = table[PREDICTED].map(dict(enumerate(outcome.classes)))
    table = table.assign(num_photos=[len(bag) for bag in bags], predicted=names)
    return table[[VISIT_ID, NUM_PHOTOS, *outcome.probability_columns, PREDICTED]]


def _visits_in(photos: Path) -> dict[str, list[Path]]:
    if not photos.is_dir():
        raise PhotoError(f"{photos} is not a folder\n  next: name a folder of photos, or of one folder per visit")
    folders = sorted(path for path in photos.iterdir() if path.is_dir()) or [photos]
    visits = {folder.name: sorted(p for p in folder.iterdir() if p.suffix.lower() in _ENDINGS) for folder in folders}
    if odd := [name for name in visits if not name.isprintable()]:
        raise PhotoError(
            f"the name of folder {odd[0]!a} under {photos} is no readable text, and names a visit\n  next: rename it"
        )
    empty = [name for name, paths in visits.items() if not paths]
    if empty:
        raise PhotoError(f"no JPEG or PNG photo in {', '.join(empty[:5])} under {photos}\n  next: put photos there")
    return visits
