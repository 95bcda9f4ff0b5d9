"""The map of a study folder: where everything stands. Paths only; nothing is read or written here."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Study:
    """One study folder."""

    folder: Path

    @property
    def settings_file(self) -> Path:
        return self.folder / "study.yaml"

    @property
    def visits_file(self) -> Path:
        return self.folder / "visits.csv"

    @property
    def photos_file(self) -> Path:
        return self.folder / "photos.csv"

    @property
    def features_file(self) -> Path:
        """In place of photos.csv in a study of precomputed features."""
        return self.folder / "features.csv"

    @property
    def views_file(self) -> Path:
        return self.folder / "views.csv"

    @property
    def truth_file(self) -> Path:
        """What was planted, one row per photo; only in synthetic cohorts."""
        return self.folder / "truth.parquet"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    @property
    def quality(self) -> Path:
        """What is told of the photos: their quality, those to take again, those that look almost the same."""
        return self.folder / "quality"

    @property
    def features(self) -> Path:
        return self.folder / "features"

    @property
    def out_of_fold(self) -> Path:
        return self.folder / "out_of_fold"

    @property
    def learning(self) -> Path:
        return self.folder / "learning"

    def run(self, name: str) -> Path:
        return self.folder / "runs" / name

    def trace(self, name: str) -> Path:
        return self.folder / "traces" / name

    def pruning(self, name: str) -> Path:
        return self.folder / "prunings" / name

    @property
    def evaluation(self) -> Path:
        return self.folder / "evaluation"

    @property
    def readers(self) -> Path:
        """Agreement of all readers."""
        return self.folder / "readers"

    def revision(self, name: str) -> Path:
        """What readers decided: labels beside the old ones, photos left out."""
        return self.folder / "revisions" / name

    def revised(self, name: str) -> Path:
        """What training on a revision changed."""
        return self.folder / "revised" / name

    @property
    def audit(self) -> Path:
        return self.folder / "audit"

    @property
    def paper_audit(self) -> Path:
        """The paper's audit, with a network of its own."""
        return self.folder / "paper_audit"

    @property
    def explanations(self) -> Path:
        return self.folder / "explain"

    @property
    def diagnosis(self) -> Path:
        return self.folder / "diagnosis"

    @property
    def report(self) -> Path:
        return self.folder / "report"
