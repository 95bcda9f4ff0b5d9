"""Keyed chance: every random choice comes from a generator named by what it is for, never from a global state.

Two generators with the same key give the same numbers on every machine; a step, photo or replicate can therefore be
rebuilt alone, in any order and in any process.
"""

import hashlib

import numpy as np


def seed_of(*key: str | int) -> int:
    """A 64-bit seed from the parts of a key, e.g. ``seed_of(0, "augment", epoch, draw, visit_id, photo_id)``."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in key)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def generator(*key: str | int) -> np.random.Generator:
    """A numpy generator for this key (counter-based Philox, cheap to create)."""
    return np.random.Generator(np.random.Philox(seed_of(*key)))
