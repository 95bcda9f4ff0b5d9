"""A training that is killed while its records are put together goes on with each epoch's records once."""

import shutil
from pathlib import Path

import pandas as pd

from grasp_psonet.stages.makers.train import restore_records
from grasp_psonet.tables.columns import EPOCH
from grasp_psonet.tables.schemas.runs import STEPS
from grasp_psonet.training.fit import RunFolder
from grasp_psonet.trajectory.records import STEPS_FILE, epochs_file, recorded_epochs


def test_records_that_were_put_together_take_the_place_of_their_parts(tiny_demo: Path, tmp_path: Path) -> None:
    shutil.copy(tiny_demo / "runs" / "baseline" / STEPS_FILE, tmp_path)
    steps, run = STEPS.read(tmp_path / STEPS_FILE), RunFolder(tmp_path)
    last = int(steps[EPOCH].max())
    run.records.mkdir()
    for first, until in ((1, 1), (2, last)):
        STEPS.write(steps[steps[EPOCH].between(first, until)], epochs_file(run.records, first, until))
    for _ in range(2):  # as after one kill, and after another one
        restore_records(run, tmp_path / STEPS_FILE)
        held = [epoch for epochs in recorded_epochs(run.records).values() for epoch in epochs]
        assert held == list(range(1, last + 1))
        found = pd.concat([STEPS.read(path) for path in recorded_epochs(run.records)], ignore_index=True)
        pd.testing.assert_frame_equal(found, steps)
