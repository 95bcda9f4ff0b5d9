"""What is reported of an outcome, by its kind: which figures, how they are spoken of, and how they are made from tables.

Another kind of outcome is one more entry in ``FIGURES``.
"""

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.class_figures import CLASS_FIGURES
from grasp_psonet.evidence.number_figures import NUMBER_FIGURES
from grasp_psonet.evidence.reported import Figures

FIGURES: dict[str, Figures] = {"classes": CLASS_FIGURES, "pasi": NUMBER_FIGURES, "pasi regional": NUMBER_FIGURES}


def figures_of(outcome: Outcome) -> Figures:
    """What is reported of an outcome."""
    return FIGURES[outcome.kind]
