"""What every text for publication says of a study, in words, from its results."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.evidence.reported import Figures
from grasp_psonet.report.shown import count, percent, percent0, signed, two

UNKNOWN = "not known to the study"


@dataclass(frozen=True)
class Facts:
    """``tree``: the results, as they stand in results.json; figures are written with the page's own rounding."""

    tree: Mapping[str, Any]
    outcome: Outcome

    @cached_property
    def settings(self) -> dict[str, str]:
        """By dotted path, as the report prints them."""
        return dict(self.tree["making"]["settings"])

    @cached_property
    def told(self) -> Figures:
        return figures_of(self.outcome)

    @property
    def label(self) -> str:
        """What a label is called."""
        return "class" if self.outcome.is_ordinal else str(self.outcome.score_word)

    @property
    def arms(self) -> list[dict[str, Any]]:
        return list(self.tree["arms"])

    @property
    def chosen(self) -> dict[str, Any]:
        found: dict[str, Any] = self.tree["arms"][self.tree["chosen_index"]]
        return found

    @property
    def is_of_features(self) -> bool:
        """Whether the study holds features that others computed, and no photos: then nothing is known of their quality."""
        photos = self.tree["photos"]
        return photos is not None and "quality" not in photos["words"]

    def setting(self, path: str) -> str:
        """The setting, "?" in a report that does not name it."""
        return self.settings.get(path, "?")

    def split(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.tree["splits"][("train", "val", "test").index(name)]
        return found

    def counts(self, split: str) -> str:
        of = self.split(split)
        return f"{count(of['visits'])} visits of {count(of['patients'])} patients with {count(of['photos'])} photos"

    def mix(self, split: str) -> str:
        """Visits by stratum."""
        pairs = zip(self.tree["severities"], self.split(split)["classes"], strict=True)
        return ", ".join(f"{name} {count(number)}" for name, number in pairs)

    def figures(self, arm: Mapping[str, Any]) -> list[str]:
        """The figures of a run on test, with intervals, against each reader."""
        return [
            f"{self.told.metrics[name].full} {estimate(of_reader[name])} against {reader}"
            for reader, of_reader in zip(self.tree["readers"], arm["figures"], strict=True)
            for name in self.told.shown
        ]

    def differences(self, arm: Mapping[str, Any]) -> list[str]:
        """The paired differences of a run to the baseline; none of the baseline."""
        return [
            f"{self.told.metrics[name].in_sentence} {difference(of_reader[f'{name}_difference'])} against {reader}"
            for reader, of_reader in zip(self.tree["readers"], arm["figures"], strict=True)
            for name in self.told.shown
            if of_reader[f"{name}_difference"] is not None
        ]

    def readers_agree(self) -> str:
        """Figures of the readers themselves, and on how many visits."""
        total, ceiling = self.tree["total"], self.tree[f"reader_{self.told.ceiling}"]
        if not total["read_twice"]:
            return "no visit was read by a second reader"
        told = f"{count(total['read_twice'])} visits were read twice, and {count(total['disagreements'])} of them differently"
        return told if ceiling is None else f"{told}; {self.told.ceiling_metric.full} on test {estimate(ceiling)}"

    def interval(self) -> str:
        """How intervals were made."""
        seeds = self.tree["training_seeds"]
        return (
            f"{percent0(self.tree['confidence'])} {self.setting('evaluate.interval')} intervals from "
            f"{self.setting('evaluate.replicates')} bootstrap resamples of patients"
            + (f" and of {count(seeds)} training seeds" if seeds > 1 else ", with one training of each run")
        )

    def removed(self, arm: Mapping[str, Any]) -> str:
        share = percent(arm["removed_fraction"])
        return f"{count(arm['removed'])} of {count(self.tree['train_photos'])} training photos ({share})"

    def versions(self) -> str:
        return ", ".join(f"{name} {version}" for name, version in self.tree["making"]["versions"])


def estimate(of: Mapping[str, Any]) -> str:
    """0.91 (0.84 to 0.96), or why there is none."""
    if of["value"] is None:
        return f"not estimable ({of['why_not']})" if of.get("why_not") else "not estimable"
    ends = f" ({two(of['low'])} to {two(of['high'])})" if of["low"] is not None and of["high"] is not None else ""
    return two(of["value"]) + ends


def difference(of: Mapping[str, Any]) -> str:
    """+0.16 (0.06 to 0.27), positive = better."""
    if of["value"] is None:
        return estimate(of)
    has_ends = of["low"] is not None and of["high"] is not None
    ends = f" ({signed(of['low']).removeprefix('+')} to {signed(of['high']).removeprefix('+')})" if has_ends else ""
    return signed(of["value"]) + ends


def plain(text: object) -> str:
    """A word of the study's in Markdown that stays a word: nothing in it opens a link, a tag, a cell or a line."""
    words = " ".join(str(text).split())
    return "".join(f"\\{sign}" if sign in "\\`*[]<>|#" else sign for sign in words)


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; the words of a study in it stay words."""
    lines = [[plain(cell) for cell in heads], ["---"] * len(heads), *([plain(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
