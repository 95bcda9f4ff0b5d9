"""Features of photos from the encoder that training starts with: one pass over the photo store, and one per augmentation."""

# Axes: M photos of a batch, V variants, F feature length; H, W, C rows, columns and channels of a photo.

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from grasp_psonet.bags.augmentation import augment
from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.features.store import CARD_FILE, INDEX_FILE, VECTORS_FILE
from grasp_psonet.files import read_json, write_json
from grasp_psonet.network.encoder import EncoderCard
from grasp_psonet.network.network import build_start_encoder, normalised
from grasp_psonet.network.settings import NetworkSettings
from grasp_psonet.network.undrawn import Undrawn
from grasp_psonet.photos.store import PIXELS_FILE, PhotoStore, map_for_writing, open_store
from grasp_psonet.progress import Track, track
from grasp_psonet.tables.columns import PHOTO_ID, ROW, VIEW, VISIT_ID
from grasp_psonet.tables.schemas.store import FEATURE_INDEX
from grasp_psonet.workers import ALONE, Workers

BATCH = 32  # photos in one pass; fixed, because the last bits of a feature depend on it
_WORTH = 4  # batches for which a process of its own is worth its start


@dataclass(frozen=True)
class Extraction:
    """What makes the features of a photo store: the encoder as training starts with it (``seed`` counts where its weights
    are random), the augmentation whose variants are kept (off: none), and where it runs.
    """

    network: NetworkSettings
    edge_px: int
    seed: int
    augmentation: AugmentationSettings
    device: torch.device
    threads: int

    @property
    def num_variants(self) -> int:
        """Augmentations kept of each photo."""
        return self.augmentation.variants if self.augmentation.is_on else 0


def write_features(
    store: Path, extraction: Extraction, folder: Path, workers: Workers = ALONE, shown: Track[Any] = track
) -> None:
    """Leaves vectors, index and the encoder's card of the photo store in ``folder``.

    The bytes are the same for any number of workers; on a GPU of this machine one process works. Raises FileError where the
    disk has no room, NetworkError where the encoder cannot be had.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with Undrawn():  # for its card alone
        _, card = build_start_encoder(extraction.network, extraction.edge_px, extraction.seed)
    photos = open_store(store)
    index, num_photos = photos.index[[ROW, PHOTO_ID, VISIT_ID, VIEW]], len(photos.index)
    starts = range(0, num_photos, BATCH)
    vectors: NDArray[Any] | None = None
    found = _found(store.resolve(), extraction, [*starts], workers)
    for start, feature_MVF in zip(starts, shown(found, "features, in batches of photos", len(starts)), strict=True):
        if vectors is None:
            shape = (num_photos, *feature_MVF.shape[1:])
            advice = "smaller train.augmentation.variants"
            vectors = map_for_writing(folder / VECTORS_FILE, np.dtype(np.float32), shape, advice)
        vectors[start : start + len(feature_MVF)] = feature_MVF
    assert isinstance(vectors, np.memmap), "a store without photos"
    vectors.flush()
    FEATURE_INDEX.write(index, folder / INDEX_FILE)
    write_json(folder / CARD_FILE, asdict(card))


def read_card(folder: Path) -> EncoderCard:
    """What is known of the encoder that made the features in this folder. Raises FileError."""
    found = read_json(folder / CARD_FILE)
    return EncoderCard(**found | {"mean": tuple(found["mean"]), "std": tuple(found["std"])})


class Extractor:
    """The encoder with the photos it reads; ``features(start)`` is the work of one batch."""

    def __init__(self, store: PhotoStore, extraction: Extraction) -> None:
        encoder, card = build_start_encoder(extraction.network, extraction.edge_px, extraction.seed)
        self.encoder: nn.Module = encoder.eval().to(extraction.device)
        self.extraction = extraction
        self.store = store
        self._mean_3, self._std_3 = (torch.tensor(value, device=extraction.device) for value in (card.mean, card.std))

    @torch.inference_mode()
    def features(self, start: int) -> NDArray[np.float32]:
        """Features [M, V, F] of the photos from row ``start`` on, variant by variant."""
        rows = range(start, min(start + BATCH, len(self.store.index)))
        photos_MHWC = torch.from_numpy(np.array(self.store.pixels[rows.start : rows.stop])).float() / 255
        variants = [photos_MHWC] + [
            torch.stack([self._augmented(photo, row, number) for photo, row in zip(photos_MHWC, rows, strict=True)])
            for number in range(1, 1 + self.extraction.num_variants)
        ]
        found: NDArray[np.float32] = torch.stack([self._encoded(variant) for variant in variants], dim=1).cpu().numpy()
        return found

    def _augmented(self, photo_HWC: Tensor, row: int, number: int) -> Tensor:
        visit_id, photo_id = (str(self.store.index[column].iat[row]) for column in (VISIT_ID, PHOTO_ID))
        return augment(photo_HWC, self.extraction.augmentation, ("augment variant", number, visit_id, photo_id))

    def _encoded(self, photos_MHWC: Tensor) -> Tensor:
        photos_MCHW = photos_MHWC.to(self._mean_3.device).permute(0, 3, 1, 2)
        feature_MF: Tensor = self.encoder(normalised(photos_MCHW, self._mean_3, self._std_3))
        return feature_MF.float()


@dataclass(frozen=True)
class _Written:
    """A store as it lies there: a worker of a cluster may live longer than it."""

    store: Path
    size: int
    changed_ns: int


@lru_cache(maxsize=1)
def _extractor(written: _Written, extraction: Extraction) -> Extractor:
    """The one extractor of a process that was started for this work."""
    torch.set_num_threads(extraction.threads)
    return Extractor(open_store(written.store), extraction)


def _work(start: int, store: Path, extraction: Extraction) -> NDArray[np.float32]:
    seen = (store / PIXELS_FILE).stat()
    return _extractor(_Written(store, seen.st_size, seen.st_mtime_ns), extraction).features(start)


def _found(store: Path, extraction: Extraction, starts: list[int], workers: Workers) -> Iterator[NDArray[np.float32]]:
    """Features batch by batch in the order of the starts, made here or by fresh processes."""
    one_gpu = workers.are_processes and extraction.device.type != "cpu"
    if one_gpu or not workers.are_worth(len(starts), _WORTH * workers.processes):
        return map(Extractor(open_store(store), extraction).features, starts)
    return workers.each(partial(_work, store=store, extraction=extraction), starts)
