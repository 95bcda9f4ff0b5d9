"""Commands that are no stage: their words checked, their answer written. What does the work is loaded when they run."""

import sys
from pathlib import Path

from grasp_psonet.errors import FileError


def predict(run: Path, photos: Path, out: Path | None) -> None:
    """``grasp predict``: the answers on standard output, in a .csv, or with everything else in a folder."""
    is_file = out is not None and out.suffix.lower() == ".csv"
    if out is not None and is_file and (out.is_dir() or not out.parent.is_dir()):
        told = f"--out {out} is a folder" if out.is_dir() else f"--out {out}: there is no folder {out.parent}"
        raise FileError(f"{told}\n  next: name a file in a folder that is there")
    from grasp_psonet.stages.new_visits.predict import predict_visits_in
    from grasp_psonet.stages.new_visits.write import refuse_taken, write_answers, write_new_visits

    if out is not None and not is_file:
        refuse_taken(out)
    new = predict_visits_in(run, photos)
    for note in new.notes:
        sys.stderr.write(f"note: {note}\n")
    if out is None or is_file:
        write_answers(new, out)
    else:
        write_new_visits(new, out)
        sys.stderr.write(f"next: open {out / 'predictions.html'}\n")


def export(run: Path, out: Path | None) -> None:
    """``grasp export``: the run's network for other programs, in a folder that is named on standard output."""
    from grasp_psonet.stages.export.make import export_run

    sys.stdout.write(f"{export_run(run, out)}\n")
    sys.stderr.write("next: read card.md there before you use it\n")
