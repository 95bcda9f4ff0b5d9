"""The weighted figures equal scikit-learn on visits that are really repeated."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, confusion_matrix, roc_auc_score

from grasp_psonet.errors import EvidenceError
from grasp_psonet.evidence.metrics import Answers, accuracy, confusion, linear_kappa, micro_auc


def some_answers(seed: int, num_visits: int = 40, ties: bool = True, num_classes: int = 3) -> Answers:
    rng = np.random.default_rng(seed)
    p_VC = rng.dirichlet(np.ones(num_classes), num_visits)
    if ties:
        p_VC = np.round(p_VC * 4) / 4
    label_V = np.concatenate([np.arange(num_classes), rng.integers(num_classes, size=num_visits - num_classes)])
    return Answers(p_VC, p_VC.argmax(axis=1), label_V)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("num_classes", [2, 3, 5])
def test_weighted_figures_equal_sklearn_on_repeated_visits(seed: int, ties: bool, num_classes: int) -> None:
    answers = some_answers(seed, ties=ties, num_classes=num_classes)
    weight_RV = np.random.default_rng(seed + 100).integers(0, 4, size=(6, len(answers))).astype(float)
    fast = [metric(answers, weight_RV) for metric in (micro_auc, linear_kappa, accuracy)]
    for r, weight_V in enumerate(weight_RV.astype(int)):
        label_V = np.repeat(answers.label, weight_V)
        predicted_V = np.repeat(answers.predicted, weight_V)
        slow = (
            roc_auc_score(np.eye(num_classes)[label_V], np.repeat(answers.p, weight_V, axis=0), average="micro"),
            cohen_kappa_score(label_V, predicted_V, labels=range(num_classes), weights="linear"),
            accuracy_score(label_V, predicted_V),
        )
        assert [value_R[r] for value_R in fast] == pytest.approx(slow, abs=1e-12)
    assert np.ptp(fast[0]) > 0.01, "all weightings agree: the comparison would prove nothing"


def test_confusion_has_labels_in_rows() -> None:
    answers = some_answers(3)
    expected = confusion_matrix(answers.label, answers.predicted, labels=[0, 1, 2])
    assert (confusion(answers) == expected).all()
    assert (expected != expected.T).any()


def test_auc_without_a_class_does_not_exist() -> None:
    answers = some_answers(0)
    weight_RV = np.stack([np.ones(len(answers)), (answers.label != 2).astype(float)])
    value_R = micro_auc(answers, weight_RV)
    assert np.isfinite(value_R[0])
    assert np.isnan(value_R[1])


def test_kappa_without_any_spread_does_not_exist() -> None:
    answers = Answers(np.tile([0.1, 0.8, 0.1], (4, 1)), np.full(4, 1), np.full(4, 1))
    assert np.isnan(linear_kappa(answers, np.ones((1, 4)))).all()


def test_no_visits_give_nothing() -> None:
    answers = Answers(np.zeros((0, 3)), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    for metric in (micro_auc, linear_kappa, accuracy):
        assert np.isnan(metric(answers, np.ones((2, 0)))).all()


def test_linear_kappa_of_a_published_table() -> None:
    """Linearly weighted kappa by hand: 1 - (sum of distances seen) / (sum of distances by chance) for a 3 x 3 table."""
    table = np.array([[10, 2, 0], [3, 8, 1], [1, 2, 9]])
    label_V, predicted_V = (np.repeat(side, table.ravel()) for side in np.indices((3, 3)).reshape(2, 9))
    seen = (2 + 3 + 1 + 2 + 2 * 1) / 36
    rows, columns = (12, 12, 12), (14, 12, 10)
    rng = sum(abs(i - j) * rows[i] * columns[j] for i in range(3) for j in range(3)) / 36**2
    answers = Answers(np.eye(3)[predicted_V], predicted_V, label_V)
    assert linear_kappa(answers, np.ones((1, 36)))[0] == pytest.approx(1 - seen / rng)


def test_linear_kappa_of_two_classes_is_cohens_own() -> None:
    """Wikipedia's worked example of Cohen's kappa: 20, 5, 10, 15 of 50 proposals, kappa 0.4."""
    table = np.array([[20, 5], [10, 15]])
    label_V, predicted_V = (np.repeat(side, table.ravel()) for side in np.indices((2, 2)).reshape(2, 4))
    answers = Answers(np.eye(2)[predicted_V], predicted_V, label_V)
    assert linear_kappa(answers, np.ones((1, 50)))[0] == pytest.approx(0.4)


def test_broken_predictions_are_refused() -> None:
    with pytest.raises(EvidenceError, match="1 of 2 predictions hold NaN"):
        Answers(np.array([[np.nan, 0, 1], [0.2, 0.3, 0.5]]), np.array([2, 2]), np.array([0, 1]))
    with pytest.raises(EvidenceError, match="label classes"):
        Answers(np.eye(3), np.array([0, 1, 2]), np.array([0, 1, 3]))
