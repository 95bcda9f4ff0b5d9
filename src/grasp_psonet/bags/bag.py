"""Bags: the photos of a visit under one label, and batches of bags with a presence mask.

A photo may also be an instance of which nothing but its feature vector is known.
"""

# Axes: B bags, N photos per bag (padded), C channels, H and W pixels, F length of a vector.

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from grasp_psonet.bags.augmentation import augment
from grasp_psonet.bags.settings import AugmentationSettings
from grasp_psonet.chance import seed_of
from grasp_psonet.errors import StudyError
from grasp_psonet.tables.columns import PHOTO_ID, REGION_NUMBER, ROW, VISIT_ID


class Pixels(Protocol):
    """Store of photos: uint8 [photos, edge, edge, 3] (a memory map, or an array), or tensors as
    a network reads them, which are never augmented; or a store of vectors (``Vectors``).
    """

    def __getitem__(self, row: int) -> np.ndarray | Tensor: ...


@runtime_checkable
class Vectors(Protocol):
    """Store of float vectors [F] by row, each as it is (variant 0) and in ``num_variants`` augmentations (1 and up)."""

    @property
    def num_variants(self) -> int: ...

    def __getitem__(self, row: int) -> np.ndarray: ...

    def gather(self, rows: Sequence[int], variants: Sequence[int] | None = None) -> np.ndarray: ...


@dataclass(frozen=True)
class Bag:
    """One visit: its stored photos (rows of the store) and which of them are still present.

    ``regions``: where photos are pooled by the region of the body, the number of each photo's; ``parts``: where the label has
    parts, each of them in the order of the outcome, NaN where it is not known. Empty otherwise.
    """

    visit_id: str
    label: int | float
    photo_ids: tuple[str, ...]
    rows: tuple[int, ...]
    is_present: tuple[bool, ...]
    regions: tuple[int, ...] = ()
    parts: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def only(self, photo_id: str) -> "Bag":
        """The bag that holds this photo alone."""
        at = self.photo_ids.index(photo_id)
        return replace(self._of([at]), is_present=(True,))

    def each_alone(self) -> list["Bag"]:
        """Each present photo as the bag that holds it alone."""
        return [self._of([n]) for n, present in enumerate(self.is_present) if present]

    def without_removed(self) -> "Bag":
        """The bag with its removed photos left out altogether."""
        return self._of([n for n, present in enumerate(self.is_present) if present])

    def _of(self, places: Sequence[int]) -> "Bag":
        """The bag of the photos at these places."""
        return replace(
            self,
            photo_ids=tuple(self.photo_ids[n] for n in places),
            rows=tuple(self.rows[n] for n in places),
            is_present=tuple(self.is_present[n] for n in places),
            regions=tuple(self.regions[n] for n in places) if self.regions else (),
        )


@dataclass(frozen=True)
class BagBatch:
    """Bags padded to the same number of photos; float photos in [0, 1], or vectors [B, N, F] in their place.

    ``label_B``: labels [B], or where labels have parts [B, 1 + parts], NaN where a part is not known. ``region_BN``: the region
    of each photo, where photos are pooled by it; what stands at padding is never read. ``most_at_once``: how many photos one
    pass of a training step, or of its curvature, takes (``pieces``); None: all. ``recomputes``: activations of the encoder are
    computed again on the way back instead of kept. ``padded_to_B``: how many photos and padding a network that is not ours is
    given of each bag [B], where training gave it so many (0: no padding, as without the field).
    """

    photos_BNCHW: Tensor
    is_photo_BN: Tensor
    is_stored_BN: Tensor
    label_B: Tensor
    region_BN: Tensor | None = None
    most_at_once: int | None = None
    recomputes: bool = False
    padded_to_B: Tensor | None = None

    def pieces(self) -> list["BagBatch"]:
        """The batch in runs of neighbouring bags with at most ``most_at_once`` photos together; a larger bag is a run of its
        own. The batch itself where it is one run, as it is without such a number.
        """
        counts = self.is_stored_BN.sum(1).tolist()
        if self.most_at_once is None or sum(counts) <= self.most_at_once:
            return [self]
        bounds, size = [0], 0
        for b, count in enumerate(counts):
            if size and size + count > self.most_at_once:
                bounds.append(b)
                size = 0
            size += count
        runs = zip(bounds, [*bounds[1:], len(counts)], strict=True)
        return [self._between(first, end) for first, end in runs]

    def to(self, device: torch.device) -> "BagBatch":
        return self._each(lambda values: values.to(device))

    def row(self, b: int) -> "BagBatch":
        """Bag b alone, still a batch."""
        return self._between(b, b + 1)

    def rows(self, at: torch.Tensor) -> "BagBatch":
        """The bags at these places."""
        return self._each(lambda values: values[at])

    def beside(self, other: "BagBatch") -> "BagBatch":
        """Both batches, of bags padded alike, in one."""
        both = {one.name: (getattr(self, one.name), getattr(other, one.name)) for one in fields(self)}
        joined: dict[str, Any] = {name: torch.cat(two) for name, two in both.items() if isinstance(two[0], Tensor)}
        return replace(self, **joined)

    def _between(self, first: int, end: int) -> "BagBatch":
        return self._each(lambda values: values[first:end])

    def _each(self, change: Callable[[Tensor], Tensor]) -> "BagBatch":
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        changed: dict[str, Any] = {name: change(value) for name, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **changed)


@dataclass(frozen=True)
class AugmentationKey:
    """Names the random choices of one draw: (seed, epoch, draw); the visit and photo ids are added per photo."""

    settings: AugmentationSettings
    seed: int
    epoch: int
    draw: int


def make_bags(
    visits: pd.DataFrame,
    index: pd.DataFrame,
    label_column: str,
    removed: frozenset[str] = frozenset(),
    part_columns: Sequence[str] = (),
) -> dict[str, Bag]:
    """Bags by visit id, in the order of the visits table.

    ``visits`` holds visit_id, the label column and those of its parts, if there are such; ``index`` the store's row, photo_id
    and visit_id, and region_number where photos are pooled by region. Photos in ``removed`` are stored but absent.
    Raises StudyError for removed ids that the store does not know.
    """
    unknown = sorted(removed - set(index[PHOTO_ID]))
    if unknown:
        raise StudyError(
            f"the keep list names {len(unknown)} photos that the store does not hold (first: {unknown[0]})\n"
            "  next: prune again, so that the list fits this study"
        )
    has_regions = REGION_NUMBER in index
    columns = (PHOTO_ID, ROW, *([REGION_NUMBER] if has_regions else []))
    photos: dict[str, list[tuple[Any, ...]]] = {visit_id: [] for visit_id in visits[VISIT_ID]}
    for visit_id, *photo in zip(*(index[name].tolist() for name in (VISIT_ID, *columns)), strict=True):
        if visit_id in photos:
            photos[visit_id].append(tuple(photo))
    parts_VP = visits[list(part_columns)].to_numpy(np.float64, na_value=np.nan).tolist()
    bags = {}
    for visit_id, label, parts in zip(visits[VISIT_ID], visits[label_column].tolist(), parts_VP, strict=True):
        photo_ids, rows, *regions = zip(*photos[visit_id], strict=True)
        present = tuple(photo_id not in removed for photo_id in photo_ids)
        of_photos = regions[0] if regions else ()
        bags[visit_id] = Bag(visit_id, label, photo_ids, rows, present, of_photos, tuple(parts))
    return bags


def collate(bags: list[Bag], pixels: Pixels, keys: list[AugmentationKey] | None = None) -> BagBatch:
    """One batch of these bags; with ``keys`` (one a bag) each photo is augmented by its own random choices.

    Of a store of vectors the choice is one of the variants that it keeps.
    """
    longest = max(len(bag) for bag in bags)
    first = pixels[bags[0].rows[0]]
    like = (
        first
        if isinstance(first, Tensor)
        else torch.from_numpy(first[:0].copy())
        if first.ndim == 1
        else torch.zeros(0)
    )
    photos_BN = like.new_zeros(len(bags), longest, *first.shape)
    is_stored_BN = torch.arange(longest) < torch.tensor([len(bag) for bag in bags])[:, None]
    is_photo_BN = torch.zeros_like(is_stored_BN)
    is_photo_BN[is_stored_BN] = torch.tensor([present for bag in bags for present in bag.is_present], dtype=torch.bool)
    vectors = pixels if isinstance(pixels, Vectors) else None  # asked once: a protocol is slow to ask
    for b, bag in enumerate(bags if vectors is None else ()):
        key = None if keys is None else keys[b]
        for n, row in enumerate(bag.rows):
            photos_BN[b, n] = _photo(bag, n, pixels[row], key)
    if vectors is not None:
        photos_BN[is_stored_BN] = torch.from_numpy(_gathered(bags, vectors, keys))
    label_B = torch.tensor([(bag.label, *bag.parts) if bag.parts else bag.label for bag in bags])
    if photos_BN.ndim == 5 and not isinstance(first, Tensor):
        photos_BN = photos_BN.permute(0, 1, 4, 2, 3)
    region_BN = None
    if any(bag.regions for bag in bags):
        region_BN = torch.zeros(len(bags), longest, dtype=torch.int64)
        region_BN[is_stored_BN] = torch.tensor([region for bag in bags for region in bag.regions])
    return BagBatch(photos_BN, is_photo_BN, is_stored_BN, label_B, region_BN)


def _photo(bag: Bag, n: int, stored: np.ndarray | Tensor, key: AugmentationKey | None) -> Tensor:
    photo = stored if isinstance(stored, Tensor) else torch.from_numpy(np.array(stored)).float() / 255
    if key is None:
        return photo
    return augment(photo, key.settings, ("augment", key.seed, key.epoch, key.draw, bag.visit_id, bag.photo_ids[n]))


def _gathered(bags: list[Bag], vectors: Vectors, keys: list[AugmentationKey] | None) -> np.ndarray:
    """The vectors of all photos, bag by bag, each of the variant that its draw chose."""
    rows = [row for bag in bags for row in bag.rows]
    if keys is None or not vectors.num_variants:
        return vectors.gather(rows)
    return vectors.gather(rows, [n for bag, key in zip(bags, keys, strict=True) for n in _variants(bag, vectors, key)])


def _variants(bag: Bag, vectors: Vectors, key: AugmentationKey) -> list[int]:
    """The variant of each photo of a draw."""
    drawn = ("variant", key.seed, key.epoch, key.draw, bag.visit_id)
    # the seed itself is uniform: a generator for each photo of each draw would take most of the time of a step
    return [1 + seed_of(*drawn, photo_id) % vectors.num_variants for photo_id in bag.photo_ids]
