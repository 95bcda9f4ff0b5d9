"""Photo store and features of a planted copy: those of the plain photos taken over, those of planted photos made anew."""

import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.features.extract import Extraction, write_features
from grasp_psonet.features.store import CARD_FILE, VECTORS_FILE, open_features
from grasp_psonet.features.store import INDEX_FILE as FEATURES_INDEX
from grasp_psonet.photos.quality import Quality, near_duplicates
from grasp_psonet.photos.store import INDEX_FILE, PIXELS_FILE, StoreForm, open_store, write_store
from grasp_psonet.stages.job import Job
from grasp_psonet.tables.columns import NEAR_DUPLICATE_OF, PHOTO_ID, ROW
from grasp_psonet.tables.schemas.store import FEATURE_INDEX, STORE_INDEX

Make = Callable[[Path], None]
_MEASURES = tuple(field.name for field in fields(Quality))


def store_with(plain: Path, faulty: frozenset[str], job: Job) -> Make:
    """What fills the photo store of a planted copy: ``plain`` is the store of the study's photos as they are.

    Width and height stay those of the study's photo: that of the file with the fault would tell what was planted.
    """

    def make(folder: Path) -> None:
        photos, from_plain = job.cohort.photos, open_store(plain)
        own = folder / "faulty"
        anew = photos[photos[PHOTO_ID].isin(list(faulty))].reset_index(drop=True)
        rows = _rows_of(from_plain.index, photos)
        pixels = np.array(from_plain.pixels[rows])
        index = from_plain.index.iloc[rows].reset_index(drop=True)
        if len(anew):
            write_store(anew, job.photo_files, StoreForm(job.settings.photos.edge_px), own)
            made = open_store(own)
            places = _rows_of(index, anew)
            pixels[places] = made.pixels
            for name in _MEASURES:
                index.loc[places, name] = made.index[name].to_numpy()
            shutil.rmtree(own)
        index[ROW] = np.arange(len(index))
        index[NEAR_DUPLICATE_OF] = near_duplicates(index)
        np.save(folder / PIXELS_FILE, pixels)
        STORE_INDEX.write(index, folder / INDEX_FILE)

    return make


def features_with(plain: Path, faulty: frozenset[str], job: Job) -> Make:
    """What fills the features of a planted copy: ``plain`` are those of the study's photos as they are."""

    def make(folder: Path) -> None:
        store, from_plain = open_store(job.study.store), open_features(plain)
        index = store.index[FEATURE_INDEX.names]
        vectors = np.array(from_plain.vectors[_rows_of(from_plain.index, index)])
        anew = index[index[PHOTO_ID].isin(list(faulty))]
        if len(anew):
            vectors[anew[ROW].to_numpy(np.int64)] = _features_of(job, anew, folder / "faulty")
        np.save(folder / VECTORS_FILE, vectors)
        FEATURE_INDEX.write(index, folder / FEATURES_INDEX)
        shutil.copy(plain / CARD_FILE, folder / CARD_FILE)

    return make


def _features_of(job: Job, index: pd.DataFrame, folder: Path) -> np.ndarray:
    """The features [photos, 1, F] of these rows of the copy's store, by a store of them alone."""
    store, network = open_store(job.study.store), job.settings.network
    photos, found = folder / "store", folder / "features"
    photos.mkdir(parents=True)
    rows = index[ROW].to_numpy(np.int64)
    np.save(photos / PIXELS_FILE, store.pixels[rows])
    own = store.index.iloc[rows].reset_index(drop=True)
    own[ROW] = np.arange(len(own))
    STORE_INDEX.write(own, photos / INDEX_FILE)
    extraction = Extraction(network, store.edge_px, job.settings.seed, AugmentationSettings(), torch.device("cpu"), 1)
    write_features(photos, extraction, found)
    vectors = np.array(open_features(found).vectors)
    shutil.rmtree(folder)
    return vectors


def _rows_of(index: pd.DataFrame, photos: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """The rows of ``index`` of these photos, in their order."""
    place = pd.Series(np.arange(len(index)), index=index[PHOTO_ID].astype(str))
    return place.loc[photos[PHOTO_ID].astype(str)].to_numpy(np.int64)
