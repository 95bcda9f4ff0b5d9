"""The same photo under two visits: refused unless the settings accept it (``photos.duplicates``)."""

import logging
from typing import TYPE_CHECKING

from grasp_psonet.errors import PhotoError

if TYPE_CHECKING:
    from grasp_psonet.stages.job import Job

log = logging.getLogger("grasp_psonet")

_MOST_TOLD = 20
NEXT = "keep each photo in the visit it belongs to; a photo that is meant to stand in several needs photos.duplicates: accept"


def refuse_same_bytes(job: "Job", digest_of: dict[str, str]) -> None:
    """``digest_of``: the digest of every file by its path. Raises PhotoError with all photos that stand in several visits."""
    if len(set(digest_of.values())) == len(digest_of) or job.settings.photos.duplicates == "accept":
        return
    from grasp_psonet.photos.duplicates import same_bytes  # loads pandas, which a look at a finished study spares

    across = [one.words for one in same_bytes(job.tables.photos, digest_of, job.tables.visits) if one.across]
    if across:
        hidden = len(across) - _MOST_TOLD
        raise PhotoError(
            f"{len(across)} photo(s) stand in several visits:\n  "
            + "\n  ".join(across[:_MOST_TOLD])
            + (f"\n  and {hidden} more" if hidden > 0 else "")
            + f"\n  next: {NEXT}"
        )
