"""The number k of photos taken per query, chosen on validation alone."""

from collections.abc import Mapping

from grasp_psonet.errors import EvidenceError


def choose_k(val_auc_by_k: Mapping[int, float | None]) -> int:
    """The k with the highest validation AUC; equal ones go to the smaller k, so pruning must win to be chosen.

    ``val_auc_by_k`` must hold k = 0, the baseline. A k whose AUC is None (not estimable) is not eligible; where none
    is, nothing speaks for pruning and 0 is chosen. Raises EvidenceError without k = 0.
    """
    if 0 not in val_auc_by_k:
        raise EvidenceError(
            f"k is to be chosen among {sorted(val_auc_by_k)}, without the baseline (k = 0)"
            "\n  next: train the baseline first"
        )
    eligible = {k: auc for k, auc in val_auc_by_k.items() if auc is not None and auc == auc}
    return min(eligible, key=lambda k: (-eligible[k], k), default=0)
