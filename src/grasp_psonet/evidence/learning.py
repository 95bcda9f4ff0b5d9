"""Whether a network learned anything worth tracing: on validation, by the figure that chooses, against what is said without a
look at a photo (of a scale: class frequencies) and against the probe.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial

import pandas as pd

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.evaluate import aligned_to, answers_of
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.intervals import Estimate, Replicated, estimate_of, replicated, resample_patients
from grasp_psonet.evidence.reported import Figures
from grasp_psonet.evidence.settings import EvaluateSettings
from grasp_psonet.tables.columns import AGAINST, PATIENT_ID, RUN, SPLIT

BASELINE, PROBE, PRIOR = "baseline", "probe", "prior"


@dataclass(frozen=True)
class Learning:
    """The figure that chooses, of the three on validation, and by how much the baseline is better than the other two (paired).

    A gain is positive where the baseline is better, also where lower figures are.
    """

    figures: Figures
    value: Mapping[str, Estimate]
    gain: Mapping[str, Estimate]

    @property
    def verdict(self) -> str:
        """What is wrong with what was learned, and what to do, in one or two sentences; empty where nothing is."""
        own, over_prior, over_probe = self.value[BASELINE], self.gain[PRIOR], self.gain[PROBE]
        word = self.figures.chooser.word
        behind = _is_below_0(over_probe)
        advice = (
            "train the head on frozen features (network.train: head), or with more epochs or another rate"
            if behind
            else "try a pretrained encoder that suits the photos, more epochs or another rate"
        )
        if over_prior.low is not None and over_prior.low <= 0:
            return (
                f"The baseline has not learned: its validation {word} {_text(own)} does not beat that of"
                f" {self.figures.prior_word} ({_text(self.value[PRIOR])}) beyond the noise of validation; what it did not"
                " learn cannot be traced."
                f" Next: {advice}."
            )
        if behind:
            return (
                f"The baseline learned less than a linear probe on frozen features: validation {word} {_text(own)}"
                f" against {_text(self.value[PROBE])}. Next: {advice}."
            )
        return ""

    def table(self) -> pd.DataFrame:
        """One row per figure and per difference."""
        rows = [{RUN: name, AGAINST: ""} | asdict(found) for name, found in self.value.items()]
        rows += [{RUN: BASELINE, AGAINST: name} | asdict(found) for name, found in self.gain.items()]
        return pd.DataFrame(rows)


def learning(
    predictions: Mapping[str, pd.DataFrame],
    visits: pd.DataFrame,
    outcome: Outcome,
    settings: EvaluateSettings,
    seed: int,
) -> Learning:
    """The check of a baseline; ``predictions`` of baseline and probe (as the outcome has them) hold the validation visits.

    The prior is made from Reader 1's labels of the train split.
    """
    told = figures_of(outcome)
    val = visits[visits[SPLIT] == "val"].reset_index(drop=True)
    label = val[outcome.label_column]
    trained = visits.loc[visits[SPLIT] == "train", outcome.label_column]
    answers = {
        name: answers_of(aligned_to(val, predictions[name], name)[0], label, outcome) for name in (BASELINE, PROBE)
    }
    answers[PRIOR] = answers_of(told.prior(outcome, trained, len(val)), label, outcome)
    why_not = told.why_not(outcome, told.choosing, answers[PROBE], "Reader 1") + " in validation"
    resamples = resample_patients(val[PATIENT_ID].tolist(), settings.replicates, seed, "learning")
    found = {name: replicated([partial(told.chooser.value, answers[name])], resamples) for name in answers}

    def estimate(of: Replicated) -> Estimate:
        return estimate_of(of, resamples, settings.interval_rule, why_not)

    def gain_over(other: Replicated) -> Replicated:
        own = found[BASELINE]
        return own - other if told.chooser.sign == 1 else other - own

    values = {name: estimate(of) for name, of in found.items()}
    gain = {name: estimate(gain_over(of)) for name, of in found.items() if name != BASELINE}
    return Learning(told, values, gain)


def _is_below_0(gain: Estimate) -> bool:
    return gain.high is not None and gain.high < 0


def _text(estimate: Estimate) -> str:
    return "not estimable" if estimate.value is None else f"{estimate.value:.2f}"
