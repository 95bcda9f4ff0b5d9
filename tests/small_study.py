"""A study of precomputed features that is made and trained in seconds."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from grasp_psonet.settings import parse
from grasp_psonet.stages.job import Job
from grasp_psonet.study import Study


def write_study(folder: Path, settings: dict[str, Any]) -> Job:
    """48 visits of 24 patients, two vectors each, whose first entry tells the score; Reader 2 read all but every third visit,
    and two points higher in every fifth."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(5)
    score_V = rng.uniform(0, 20, 48).round(1)
    files = []
    for v, score in enumerate(score_V):
        vectors = rng.normal(size=(2, 6)).astype(np.float32)
        vectors[:, 0] += score / 2
        np.save(folder / f"v{v:02d}.npy", vectors)
        files.append((f"v{v:02d}", f"v{v:02d}.npy"))
    second_V = np.where(np.arange(48) % 3 == 0, np.nan, score_V + 2.0 * (np.arange(48) % 5 == 0))
    split = ["train"] * 32 + ["val"] * 8 + ["test"] * 8
    columns = {"visit_id": [f"v{v:02d}" for v in range(48)], "patient_id": [f"p{v // 2:02d}" for v in range(48)]}
    table = pd.DataFrame(columns | {"pasi_reader1": score_V, "pasi_reader2": second_V, "split": split})
    table.to_csv(folder / "visits.csv", index=False)
    pd.DataFrame(files, columns=["visit_id", "path"]).to_csv(folder / "features.csv", index=False)
    return Job(Study(folder), parse(settings, "the test"))
