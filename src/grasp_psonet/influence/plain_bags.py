"""Bags as a person hands them over, plain (photos, label) pairs, turned into the bags and the store that tracing reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from grasp_psonet.bags.bag import Bag
from grasp_psonet.errors import TraceError

PhotosAndLabel = tuple[Tensor, int]
Bags = Sequence[PhotosAndLabel] | Mapping[str, PhotosAndLabel]


@dataclass(frozen=True)
class PlainBags:
    """Training bags by id and queries in order; both read their photos from one store of tensors (``bags.Pixels``)."""

    training: dict[str, Bag]
    queries: tuple[Bag, ...]
    photos: "TensorStore"


@dataclass(frozen=True)
class TensorStore:
    """Photos as tensors of one precision, by row; nothing is copied before it is read."""

    photos: tuple[Tensor, ...]
    dtype: torch.dtype

    def __getitem__(self, row: int) -> Tensor:
        return self.photos[row].to(self.dtype)


def plain_bags(training: Bags, queries: Bags, dtype: torch.dtype) -> PlainBags:
    """Bags of (photos [N, ...], label) under their keys, or their places in a list; photos are read as ``dtype``.

    Raises TraceError for bags without photos, ids that are told apart by their type alone, and photos of several shapes.
    """
    photos: list[Tensor] = []
    by_role = [_made(bags, photos) for bags in (training, queries)]
    if len(shapes := sorted({tuple(photo.shape) for photo in photos})) > 1:
        raise TraceError(f"photos have shapes {', '.join(map(str, shapes))}; wanted: one for all\n  next: resize them")
    return PlainBags(by_role[0], tuple(by_role[1].values()), TensorStore(tuple(photos), dtype))


def _made(bags: Bags, photos: list[Tensor]) -> dict[str, Bag]:
    """The bags by id; appends their photos to the list."""
    items = list(bags.items()) if isinstance(bags, Mapping) else list(enumerate(bags))
    found: dict[str, Bag] = {}
    for key, (own, label) in items:
        bag_id, count = str(key), len(own)
        rows = tuple(range(len(photos), len(photos) + count))
        found[bag_id] = Bag(bag_id, int(label), tuple(f"{bag_id}/{n}" for n in range(count)), rows, (True,) * count)
        photos.extend(own)
    if empty := [bag_id for bag_id, bag in found.items() if not len(bag)]:
        raise TraceError(f"bags {', '.join(empty)} hold no photo")
    if len(found) != len(items):
        raise TraceError(
            f"{len(items)} bags have {len(found)} different ids as text\n  next: name each bag differently"
        )
    return found
