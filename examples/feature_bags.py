"""A study of bags of feature vectors, from arrays to a report: trace, prune, retrain and audit without any photo.

Every bag is a slide of two classes; a tumour shows in a tenth of its vectors. Four training slides carry the other label. The
report says what pruning changed and which slides to read again.

Run: python examples/feature_bags.py [FOLDER]
"""

import sys
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd

from grasp_psonet.cli import main

LENGTH = 32
SETTINGS = """
severity: {classes: [normal, tumor], score_column: null, class_column: label}
network: {feature_length: 16, attention_hidden: 8, head_hidden: 0}
train: {epochs: 8, optimizer: {lr: 0.003}}
prune: {k: [40]}
evaluate: {replicates: 200}
"""
CLASSES = ("normal", "tumor")
MISREAD = (3, 10, 17, 24)


def write_study(study: Path) -> None:
    """60 slides of 40 to 80 vectors, one npz each, and the two tables."""
    study.mkdir(parents=True, exist_ok=True)
    (study / "study.yaml").write_text(SETTINGS, encoding="utf-8")
    rng = np.random.default_rng(0)
    visits, files = [], []
    for number in range(60):
        name, tumour = f"slide-{number:02d}", number % 2
        vectors = rng.normal(size=(int(rng.integers(40, 81)), LENGTH)).astype(np.float32)
        if tumour:
            vectors[: len(vectors) // 10, :4] += 2.5
        np.savez(study / f"{name}.npz", features=vectors)
        label = CLASSES[1 - tumour if number in MISREAD else tumour]
        split = "train" if number < 36 else "val" if number < 48 else "test"
        visits.append((name, f"patient-{number:02d}", label, split))
        files.append((name, f"{name}.npz"))
    columns = ["visit_id", "patient_id", "label_reader1", "split"]
    pd.DataFrame(visits, columns=columns).to_csv(study / "visits.csv", index=False)
    pd.DataFrame(files, columns=["visit_id", "path"]).to_csv(study / "features.csv", index=False)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(mkdtemp()) / "slides"
    write_study(folder)
    if main(["run", str(folder)]) == 0:
        print(f"open {folder / 'report' / 'report.html'}")
