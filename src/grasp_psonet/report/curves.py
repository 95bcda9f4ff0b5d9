"""The curves of training as the report shows them (see ``data``)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TrainingCurve:
    """One run by epoch (from 1): mean losses in nats, ``figure`` on validation (the one that chooses; None where it does not
    exist), the ``kept`` epoch, and the epochs whose ``anchors`` stand on disk."""

    run: str
    epochs: tuple[int, ...]
    train_loss: tuple[float, ...]
    val_loss: tuple[float, ...]
    figure: tuple[float | None, ...]
    kept: int | None
    anchors: tuple[int, ...] = ()
