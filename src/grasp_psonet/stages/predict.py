"""``grasp predict``: what a run's kept network says of new visits."""

from pathlib import Path

import numpy as np
import pandas as pd

from grasp_psonet.bags.bag import Bag, Pixels
from grasp_psonet.errors import FeatureError, PhotoError, StageError
from grasp_psonet.features.files import FILE_ENDINGS, read_vectors
from grasp_psonet.features.store import FeatureStore
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.photos.decode import decode_photo
from grasp_psonet.photos.formats import ENDINGS, READ
from grasp_psonet.proof import is_complete
from grasp_psonet.settings import parse
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.study import Study
from grasp_psonet.tables.columns import NUM_PHOTOS, VISIT_ID
from grasp_psonet.training.predict import predict_bags
from grasp_psonet.trajectory.machine import use_machine


def predict_folder(folder: Path, photos: Path) -> pd.DataFrame:
    """One row per new visit: visit_id, num_photos, and the outcome in words (of classes: p_mild and so on, predicted by name).

    ``photos`` holds one folder of photos per visit, or the photos of one visit; for a run on precomputed features
    one file of features per visit. Raises StageError when ``folder`` is not a complete run, PhotoError or FeatureError when
    nothing is found or a file cannot be read.
    """
    folder = folder.resolve()
    if folder.parent.name != "runs" or not is_complete(folder):
        raise StageError(f"{folder} is not a complete run\n  next: name a folder such as STUDY/runs/baseline")
    run = TrainedRun(Job(Study(folder.parent.parent), parse({}, "the defaults")), folder.name)
    network = run.photo_network(use_machine("auto", run.settings.threads))
    bags, pixels = _features_in(photos, network) if run.job.kind == "features" else _photos_in(photos, run)
    table, _ = predict_bags(network, bags, pixels)
    told = pd.DataFrame({VISIT_ID: table[VISIT_ID], NUM_PHOTOS: [len(bag) for bag in bags]})
    return told.join(run.outcome.in_words(table))


def _photos_in(photos: Path, run: TrainedRun) -> tuple[list[Bag], Pixels]:
    pixels: list[np.ndarray] = []
    bags = []
    for visit_id, paths in _visits_in(photos).items():
        rows = range(len(pixels), len(pixels) + len(paths))
        pixels += [decode_photo(path, run.settings.edge_px, run.settings.fit).pixels for path in paths]
        bags.append(Bag(visit_id, 0, tuple(path.name for path in paths), tuple(rows), (True,) * len(paths)))
    return bags, pixels


def _features_in(folder: Path, network: BagNetwork) -> tuple[list[Bag], Pixels]:
    """One visit per file of features, named by it."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in FILE_ENDINGS) if folder.is_dir() else []
    if not paths:
        raise FeatureError(f"{folder} holds no file of features\n  next: one file a visit: {', '.join(FILE_ENDINGS)}")
    found, bags, row = [], [], 0
    for path in paths:
        vectors = read_vectors(path)
        if vectors.shape[1] != network.card.feature_length:
            raise FeatureError(
                f"{path} holds vectors of length {vectors.shape[1]}; the run reads {network.card.feature_length}"
            )
        names = tuple(f"{path.stem}-{number:05d}" for number in range(1, 1 + len(vectors)))
        bags.append(Bag(path.stem, 0, names, tuple(range(row, row + len(vectors))), (True,) * len(vectors)))
        found.append(vectors)
        row += len(vectors)
    return bags, FeatureStore(np.concatenate(found)[:, None], pd.DataFrame())


def _visits_in(photos: Path) -> dict[str, list[Path]]:
    if not photos.is_dir():
        raise PhotoError(f"{photos} is not a folder\n  next: name a folder of photos, or of one folder per visit")
    folders = sorted(path for path in photos.iterdir() if path.is_dir()) or [photos]
    visits = {folder.name: sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS) for folder in folders}
    if odd := [name for name in visits if not name.isprintable()]:
        raise PhotoError(
            f"the name of folder {odd[0]!a} under {photos} is no readable text, and names a visit\n  next: rename it"
        )
    empty = [name for name, paths in visits.items() if not paths]
    if empty:
        raise PhotoError(f"no photo ({READ}) in {', '.join(empty[:5])} under {photos}\n  next: put photos there")
    return visits
