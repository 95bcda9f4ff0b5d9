"""The learning check: a baseline that knows nothing, one that lags behind the probe, and one that is well."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.learning import learning
from grasp_psonet.evidence.settings import EvaluateSettings

OUTCOME = Outcome()
SETTINGS = EvaluateSettings(replicates=200)


def visits() -> pd.DataFrame:
    label = np.tile([0, 0, 1, 2], 60)
    return pd.DataFrame(
        {
            "visit_id": [f"v{v:03d}" for v in range(240)],
            "patient_id": [f"p{v // 4}" for v in range(240)],
            "split": np.repeat(["train", "val"], 120),
            "severity_reader1": pd.Series(label, dtype="Int64"),
        }
    )


def told(signal: float, seed: int) -> pd.DataFrame:
    table = visits()
    rng = np.random.default_rng(seed)
    logit = signal * np.eye(3)[table["severity_reader1"].to_numpy(int)] + rng.normal(size=(240, 3))
    p = np.exp(logit) / np.exp(logit).sum(axis=1, keepdims=True)
    found = pd.DataFrame(p, columns=OUTCOME.probability_columns)
    return found.assign(visit_id=table["visit_id"], predicted=p.argmax(axis=1), split=table["split"])


@pytest.mark.parametrize(
    ("baseline", "probe", "words"),
    [(0.0, 3.0, "has not learned"), (1.2, 4.0, "less than a linear probe"), (3.0, 3.0, ""), (3.0, 0.5, "")],
)
def test_verdict(baseline: float, probe: float, words: str) -> None:
    predictions = {"baseline": told(baseline, 1), "probe": told(probe, 2)}
    found = learning(predictions, visits(), OUTCOME, SETTINGS, 0)
    assert (words in found.verdict) if words else (found.verdict == "")
    assert ("Next: " in found.verdict) == bool(words)
    val = visits()["split"] == "val"
    label_VC = np.eye(3)[visits().loc[val, "severity_reader1"].to_numpy(int)]
    by_hand = roc_auc_score(
        label_VC.ravel(), predictions["probe"].loc[val, OUTCOME.probability_columns].to_numpy().ravel()
    )
    assert found.value["probe"].value == pytest.approx(by_hand)
    frequencies = roc_auc_score(label_VC.ravel(), np.tile([0.5, 0.25, 0.25], (120, 1)).ravel())
    assert found.value["prior"].value == pytest.approx(frequencies)
    gain = found.gain["probe"]
    assert gain.value == pytest.approx(found.value["baseline"].value - found.value["probe"].value)


def test_a_missing_class_gives_no_verdict_and_says_why() -> None:
    table = visits()
    table = table[~((table["split"] == "val") & (table["severity_reader1"] == 2))]
    found = learning({"baseline": told(0.0, 1), "probe": told(3.0, 2)}, table, OUTCOME, SETTINGS, 0)
    assert found.verdict == ""
    assert set(found.table()["why_not"]) == {"no severe visit among the labels of Reader 1 in validation"}
