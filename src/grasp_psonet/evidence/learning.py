"""Whether a network learned anything worth tracing: on validation, against class frequencies and against the probe.

Axes: V visits, C classes.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.evaluate import aligned_to, answers_of
from grasp_psonet.evidence.intervals import Estimate, estimate_of, plain, resample_patients
from grasp_psonet.evidence.metrics import Answers, Floats, micro_auc
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.tables.columns import AGAINST, PATIENT_ID, RUN, SPLIT

BASELINE, PROBE, FREQUENCIES = "baseline", "probe", "class frequencies"
_WHY_NOT = "a class is missing from validation"


@dataclass(frozen=True)
class Learning:
    """Validation micro AUC of the three, and what the baseline has more than the other two (paired)."""

    auc: Mapping[str, Estimate]
    gain: Mapping[str, Estimate]

    @property
    def verdict(self) -> str:
        """What is wrong with what was learned, and what to do, in one or two sentences; empty where nothing is."""
        auc, over_chance, over_probe = self.auc[BASELINE], self.gain[FREQUENCIES], self.gain[PROBE]
        behind = _is_below_0(over_probe)
        advice = (
            "train the head on frozen features (network.train: head), or with more epochs or another rate"
            if behind
            else "try a pretrained encoder that suits the photos, more epochs or another rate"
        )
        if over_chance.low is not None and over_chance.low <= 0:
            return (
                f"The baseline has not learned: its validation AUC {_text(auc)} is not above that of class frequencies"
                f" ({_text(self.auc[FREQUENCIES])}); what it did not learn cannot be traced. Next: {advice}."
            )
        if behind:
            return (
                f"The baseline learned less than a linear probe on frozen features: validation AUC {_text(auc)}"
                f" against {_text(self.auc[PROBE])}. Next: {advice}."
            )
        return ""

    def table(self) -> pd.DataFrame:
        """One row per figure and per difference."""
        rows = [{RUN: name, AGAINST: ""} | asdict(found) for name, found in self.auc.items()]
        rows += [{RUN: BASELINE, AGAINST: name} | asdict(found) for name, found in self.gain.items()]
        return pd.DataFrame(rows)


def learning(
    predictions: Mapping[str, pd.DataFrame],
    visits: pd.DataFrame,
    outcome: Outcome,
    settings: EvaluateSettings,
    seed: int,
) -> Learning:
    """The check of a baseline; ``predictions`` of baseline and probe (visit_id, predicted, p_*) hold the validation visits.

    Class frequencies are those of Reader 1 in the train split: what one can say without a look at a photo.
    """
    val = visits[visits[SPLIT] == "val"].reset_index(drop=True)
    label = val[outcome.label_column]
    counts = visits.loc[visits[SPLIT] == "train", outcome.label_column].astype(int).value_counts()
    frequency_C = np.array([counts.get(c, 0) for c in range(outcome.num_outputs)], dtype=np.float64)
    answers = {name: answers_of(aligned_to(val, predictions[name], name), label, outcome) for name in (BASELINE, PROBE)}
    same_VC = np.tile(frequency_C / frequency_C.sum(), (len(val), 1))
    answers[FREQUENCIES] = Answers(same_VC, same_VC.argmax(axis=1), answers[PROBE].label)
    resamples = resample_patients(val[PATIENT_ID].tolist(), settings.replicates, seed, "learning")

    def replicates_of(name: str) -> tuple[float, Floats]:
        def statistic(weight_RV: Floats) -> Floats:
            return micro_auc(answers[name], weight_RV)

        return plain(statistic, resamples), statistic(resamples.weight)

    found = {name: replicates_of(name) for name in answers}
    auc = {
        name: estimate_of(value, value_R, resamples, settings.confidence, _WHY_NOT)
        for name, (value, value_R) in found.items()
    }
    own, own_R = found[BASELINE]
    gain = {
        name: estimate_of(own - value, own_R - value_R, resamples, settings.confidence, _WHY_NOT)
        for name, (value, value_R) in found.items()
        if name != BASELINE
    }
    return Learning(auc, gain)


def _is_below_0(gain: Estimate) -> bool:
    return gain.high is not None and gain.high < 0


def _text(estimate: Estimate) -> str:
    return "not estimable" if estimate.value is None else f"{estimate.value:.2f}"
