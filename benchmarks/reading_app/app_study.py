"""A drawn study with a round that is open, for any number of readers."""

import subprocess
import sys
from pathlib import Path

import pandas as pd

from grasp_psonet.tables.columns import VISIT_ID
from grasp_psonet.tables.schemas.audit import REVIEW

PASSWORD = "a long password of a benchmark"
ROUND = "bench"


def grasp(*words: str) -> str:
    """What a command prints, in a process of its own. Raises RuntimeError where it fails."""
    done = subprocess.run([sys.executable, "-m", "grasp_psonet", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"grasp {' '.join(words)}: {done.stderr}")
    return done.stdout.strip()


def make_study(folder: Path, num_readers: int) -> list[str]:
    """A drawn study whose visits are all to be read by so many readers; their accounts, with ``PASSWORD``."""
    draw_study(folder)
    readers = [f"reader{number}" for number in range(num_readers)]
    for name in readers:
        grasp("read", "add-user", str(folder), name, "--role", "reader")
    plain = ("--reading.adjudicate", "none", "--reading.controls", "0", "--reading.repeats", "0")
    grasp("read", "make-round", str(folder), ROUND, "--readers", ",".join(readers), *plain)
    code = f"from benchmarks.reading_app.app_study import open_round; open_round({str(folder)!r})"
    subprocess.run([sys.executable, "-c", code], check=True)
    return readers


def draw_study(folder: Path, *more: str) -> Path:
    """A drawn study with an audit's list of all its visits; more words for ``grasp cohort``."""
    grasp("cohort", str(folder), "--preset", "tiny", *more)
    visits = pd.read_csv(folder / "visits.csv", dtype=str)
    (folder / "audit").mkdir()
    REVIEW.write(_review(visits), folder / "audit" / "review.parquet")
    return folder


def open_round(folder: str) -> None:
    """Gives every account its password and opens the round, without a browser; in a process of its own."""
    from grasp_psonet.reading.app.configure import set_up
    from grasp_psonet.reading.place import AppPlace

    set_up(AppPlace(Path(folder)))
    from grasp_psonet.reading.app.models import Round, User
    from grasp_psonet.reading.app.rounds import open_round

    for user in User.objects.all():
        user.set_password(PASSWORD)
        user.must_change_password = False
        user.save()
    open_round(User.objects.all()[0], Round.objects.get(name=ROUND))


def _review(visits: pd.DataFrame) -> pd.DataFrame:
    """Every visit on the list and to be inspected."""
    count = len(visits)
    return pd.DataFrame(
        {
            "rank": pd.Series(range(1, count + 1), dtype="int64"),
            "to_inspect": True,
            VISIT_ID: visits[VISIT_ID],
            "patient_id": visits["patient_id"],
            "split": "train",
            "label_reader1": pd.Series([0] * count, dtype="int64"),
            "label_reader2": pd.Series([None] * count, dtype="Int64"),
            "predicted": pd.Series([1] * count, dtype="int64"),
            "readers_disagree": pd.Series([None] * count, dtype="boolean"),
            "num_draws": pd.Series([1] * count, dtype="int64"),
            "is_audited": True,
        }
    )
