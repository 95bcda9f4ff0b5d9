"""The severity class of a visit, from its PASI: the one place where the cut-offs apply."""

from grasp_psonet.cohort.settings import SeveritySettings, Side
from grasp_psonet.errors import TableError

SEVERITIES = ("mild", "moderate", "severe")
PASI_MAX = 72.0


def severity_of(pasi: float, settings: SeveritySettings) -> int:
    """The class (0 mild, 1 moderate, 2 severe) of a PASI between 0 and 72.

    A PASI exactly on a cut-off falls to the side that ``settings.ties`` names for it. Raises TableError on anything
    that is not a PASI (NaN included).
    """
    if not 0 <= pasi <= PASI_MAX:
        raise TableError(f"PASI is {pasi!r}; wanted: a number from 0 to 72\n  next: correct it, or empty the cell")
    return sum(_reaches(pasi, cutoff, tie) for cutoff, tie in zip(settings.cutoffs, settings.ties, strict=True))


def _reaches(pasi: float, cutoff: float, tie: Side) -> bool:
    return pasi > cutoff or (pasi == cutoff and tie == "upper")
