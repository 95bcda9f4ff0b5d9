"""How much of the benchmark is made, and where it lies."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Scope:
    """``folder`` keeps what a part wants to read again. ``is_quick``: a few small cases, which show that everything runs.
    ``num_cohorts``: so many of the drawn cohorts, the first ones (None: all). ``processes``: cohorts
    made at the same time. ``study``: a study with photos, ``tuned_on``: a file that names the patients, one a line, on whom
    anything was tuned; without them the part of it is skipped."""

    folder: Path
    is_quick: bool = False
    num_cohorts: int | None = None
    processes: int = 1
    study: Path | None = None
    tuned_on: Path | None = None
