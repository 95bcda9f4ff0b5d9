"""Bags as a person hands them over, plain (photos, label) pairs, turned into the bags and the store that tracing reads."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any

import torch
from torch import Tensor

from grasp_psonet.bags.bag import Bag
from grasp_psonet.errors import TraceError

MOST_TOLD = 10  # bags named in one message

PhotosAndLabel = tuple[Tensor, int | float]
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


def plain_bags(training: Bags, queries: Bags, dtype: torch.dtype, *, has_own_loss: bool = False) -> PlainBags:
    """Bags of (photos [N, ...], label) under their keys, or their places in a list; photos are read as ``dtype``.

    Where the loss is the caller's own, a label is any finite number.

    Raises one TraceError naming every bag that is none (not a pair, no photos, no integer label), and TraceError for ids
    that are told apart by their type alone and for photos of several shapes.
    """
    by_role_and_key = {"training bag": _items(training), "query": _items(queries)}
    faults = [
        f"{role} {key}: {fault}"
        for role, items in by_role_and_key.items()
        for key, bag in items
        if (fault := _fault(bag, has_own_loss)) is not None
    ]
    _refuse(faults, "give each bag as (photos, label): a tensor [photos, ...] and the number of its class")
    photos: list[Tensor] = []
    number = _number if has_own_loss else index
    by_role = [_made(items, photos, number) for items in by_role_and_key.values()]
    if len(shapes := sorted({tuple(photo.shape) for photo in photos})) > 1:
        raise TraceError(f"photos have shapes {', '.join(map(str, shapes))}; wanted: one for all\n  next: resize them")
    return PlainBags(by_role[0], tuple(by_role[1].values()), TensorStore(tuple(photos), dtype))


def refuse_labels_beyond(bags: PlainBags, num_classes: int) -> None:
    """Raises TraceError naming every bag whose label is none of the network's classes."""
    roles = {"training bag": bags.training.values(), "query": bags.queries}
    faults = [
        f"{role} {bag.visit_id}: label is {bag.label}; wanted: 0 to {num_classes - 1}"
        for role, own in roles.items()
        for bag in own
        if bag.label >= num_classes
    ]
    _refuse(faults, f"the network returns {num_classes} logits; give labels that number them")


def _items(bags: Bags) -> list[tuple[object, PhotosAndLabel]]:
    return list(bags.items()) if isinstance(bags, Mapping) else list(enumerate(bags))


def _fault(bag: object, has_own_loss: bool) -> str | None:
    """What keeps this from being a bag, if anything does."""
    if not isinstance(bag, tuple | list) or len(bag) != 2:
        return f"is {type(bag).__name__}; wanted: a pair (photos, label)"
    photos, label = bag
    if not isinstance(photos, Tensor):
        return f"photos are {type(photos).__name__}; wanted: a tensor [photos, ...]"
    if not photos.ndim:
        return "photos are a tensor without dimensions; wanted: [photos, ...]"
    if not len(photos):
        return "holds no photo"
    if isinstance(label, Tensor) and label.ndim:
        return f"label is a tensor of shape {tuple(label.shape)}; wanted: one number"
    if has_own_loss:
        is_number = isinstance(label, int | float | Tensor) and math.isfinite(label)
        return None if is_number else f"label is {label!r}; wanted: a finite number"
    try:
        is_label = index(label) >= 0
    except TypeError:
        is_label = False
    return None if is_label else f"label is {label!r}; wanted: an integer, 0 or more"


def _refuse(faults: list[str], next_step: str) -> None:
    if faults:
        more = [f"and {len(faults) - MOST_TOLD} more"] * (len(faults) > MOST_TOLD)
        told = "\n  ".join([*faults[:MOST_TOLD], *more])
        raise TraceError(f"{len(faults)} bags cannot be traced\n  {told}\n  next: {next_step}")


def _number(label: int | float | Tensor) -> int | float:
    value: int | float = label.item() if isinstance(label, Tensor) else label
    return value


def _made(
    items: list[tuple[object, PhotosAndLabel]], photos: list[Tensor], number: Callable[[Any], int | float]
) -> dict[str, Bag]:
    """The bags by id; appends their photos to the list."""
    found: dict[str, Bag] = {}
    for key, (own, label) in items:
        bag_id, count = str(key), len(own)
        rows = tuple(range(len(photos), len(photos) + count))
        found[bag_id] = Bag(bag_id, number(label), tuple(f"{bag_id}/{n}" for n in range(count)), rows, (True,) * count)
        photos.extend(own)
    if len(found) != len(items):
        raise TraceError(
            f"{len(items)} bags have {len(found)} different ids as text\n  next: name each bag differently"
        )
    return found
