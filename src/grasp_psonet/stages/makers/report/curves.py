"""The curves of training of every run that the report tells of."""

import pandas as pd

from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.report.curves import TrainingCurve
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import made_keep_lists
from grasp_psonet.stages.makers.report.gallery import number_or_none
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.tables.columns import EPOCH, KEPT, STEP, TRAIN_LOSS, VAL_LOSS, val_column
from grasp_psonet.tables.schemas.runs import EPOCHS
from grasp_psonet.trajectory.anchors import anchor_steps


def curves_of(job: Job) -> tuple[TrainingCurve, ...]:
    """The first training of the baseline and of every keep list; a run that was recorded elsewhere has no epochs."""
    names = [BASELINE, *(one.name for one in made_keep_lists(job).retrained)]
    files = {name: job.study.run(name) / "epochs.parquet" for name in names}
    figure = val_column(figures_of(job.outcome).choosing)
    steps = {name: anchor_steps(job.study.run(name) / "anchors") for name in names}
    return tuple(_curve(name, EPOCHS.read(file), figure, steps[name]) for name, file in files.items() if file.exists())


def _curve(run: str, table: pd.DataFrame, figure: str, anchors: list[int]) -> TrainingCurve:
    kept = table.loc[table[KEPT], EPOCH]
    return TrainingCurve(
        run=run,
        epochs=tuple(int(epoch) for epoch in table[EPOCH]),
        train_loss=tuple(float(loss) for loss in table[TRAIN_LOSS]),
        val_loss=tuple(float(loss) for loss in table[VAL_LOSS]),
        figure=tuple(number_or_none(value) for value in table[figure]),
        kept=int(kept.iloc[0]) if len(kept) else None,
        anchors=tuple(int(epoch) for epoch in table.loc[table[STEP].isin(anchors), EPOCH]),
    )
