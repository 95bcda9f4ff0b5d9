"""What the original photos say of people, places and devices, so that it can be looked for elsewhere."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from grasp_psonet.errors import PhotoError
from grasp_psonet.photos.files.texts import said_by

_SHORTEST = 6  # shorter texts stand anywhere by chance
_SHORTEST_NUMBER = 8
_NUMBER = re.compile(r"[\d.,+-]+")
# what many files say and no one is known by; the product's own words are among them
_OF_ANYONE = frozenset(
    {
        *(
            "anonymous",
            "anonymized",
            "default",
            "dermatology",
            "dermatologie",
            "digital",
            "image",
            "original",
            "patient",
        ),
        *("patients", "photograph", "photographs", "photography", "picture", "pictures", "psoriasis", "screenshot"),
        *("unknown", "untitled"),
    }
)


@dataclass(frozen=True)
class Secrets:
    """Texts of the originals' metadata (names, owners, serials, descriptions) and their capture times as EXIF writes them."""

    texts: frozenset[str]
    times: frozenset[str]
    num_photos: int  # whose metadata were read
    num_closed: int = 0  # damaged ones, and those whose extra is not installed


def secrets_of(files: Iterable[Path]) -> Secrets:
    """What these photos say beside their pixels; of files that cannot be opened, nothing, and how many they are."""
    texts: set[str] = set()
    times: set[str] = set()
    num_photos, num_closed = 0, 0
    for file in files:
        try:
            said = said_by(file)
        except PhotoError:  # what cannot be opened is for `grasp check` to say
            num_closed += 1
            continue
        num_photos += 1
        texts |= {text for text in said.texts if _tells(text)}
        times |= said.times
    return Secrets(frozenset(texts), frozenset(times), num_photos, num_closed)


def stands_in(secret: str, text: str) -> bool:
    """Whether a text of an original stands in another; a number only by itself, for in others it stands by chance."""
    if secret not in text:
        return False
    return not secret.isdigit() or re.search(rf"(?<![\w.]){secret}(?![\w.])", text) is not None


def _tells(text: str) -> bool:
    """Whether a text can be looked for: long enough, and not what many files say."""
    if _NUMBER.fullmatch(text):
        return len(text) >= _SHORTEST_NUMBER
    return len(text) >= _SHORTEST and text.lower() not in _OF_ANYONE
