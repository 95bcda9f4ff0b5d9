"""The words of the page that depend on what is learned from a visit, by the kind of outcome; another kind is one more entry."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from markupsafe import Markup

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.pasi_total import PasiTotal
from grasp_psonet.report.shown import Shown, tag


@dataclass(frozen=True)
class Texts:
    """``predicts``: what the network says of a visit. ``source``: where a reader's label comes from. ``label`` and ``differ``:
    the word for a label, and a sentence's end on two readers' labels; ``differ_head`` heads a column of it. ``missed`` and
    ``misses``: what the network did to a visit that is an error. ``evidence`` completes "where it ...", ``no_evidence`` says
    that a photo has none. ``stratum``: the groups that visits are counted in. ``absent``: why a figure of a group may not
    exist. ``limit``: what labels are worth. ``shown``: a label as it stands on the page, given the results."""

    predicts: str
    source: str
    label: str
    differ: str
    differ_head: str
    missed: str
    misses: str
    evidence: str
    no_evidence: str
    stratum: str
    absent: str
    limit: str
    shown: Callable[[Shown, Shown], Markup]


def texts_of(outcome: Outcome) -> Texts:
    """The words for an outcome."""
    return TEXTS[outcome.kind](outcome)


def of_maps(texts: Texts, sign: str) -> Texts:
    """The words where maps explain one sign (``explain.sign``) in place of the total."""
    if sign == "total":
        return texts
    of_region = f"the {sign} of the region that it shows"
    return replace(texts, evidence=f"raises {of_region}", no_evidence=f"no place of this photo raises {of_region}")


def _of_classes(outcome: Outcome) -> Texts:
    word = outcome.score_word
    return Texts(
        predicts=", ".join(outcome.classes),
        source="is the one in the table" if word is None else f"comes from its {word}",
        label="class",
        differ="the two classes differ",
        differ_head="Classes differ",
        missed="misclassified",
        misses="misclassifies",
        evidence="raises the logit of its visit's class",
        no_evidence="no place of this photo speaks for the class",
        stratum="class",
        absent="a group that lacks a class, or in which most resamples do, is too small for AUC and is shown by its accuracy",
        limit="Classes are the readers' judgement; many disagreements between readers are visits between two classes."
        if word is None
        else f"Severity classes come from {word} cut-offs; "
        "many disagreements between readers are visits that lie close to one.",
        shown=_name_of_class,
    )


def _name_of_class(label: Shown, results: Shown) -> Markup:
    """A class number as its word."""
    return tag(results["severities"][label.raw], "text")


def _of_numbers(outcome: Outcome) -> Texts:
    assert isinstance(outcome, PasiTotal)
    word, noise = outcome.score_word, f"{outcome.noise_points:.1f}"
    return Texts(
        predicts=f"{word} in points",
        source="is the number in the table",
        label=str(word),
        differ=f"the two numbers differ by more than {noise} points, the readers' noise",
        differ_head=f"More than {noise} apart",
        missed=f"predicted more than {noise} points off",
        misses=f"predicts more than {noise} points off",
        evidence=f"raises the {word}",
        no_evidence=f"no place of this photo raises the {word}",
        stratum=f"{word} class",
        absent="a group without visits, or of one patient alone, has no figure or no interval",
        limit=f"{word} is the readers' judgement, and numbers within {noise} points of each other count as the same"
        + (" (severity.noise_points)." if outcome.scale.noise_points else ", as two of three visits read twice are."),
        shown=partial(_points, outcome=outcome),
    )


def _points(label: Shown, results: Shown, outcome: PasiTotal) -> Markup:
    """A number of points; where a visit has only a class, the class's word."""
    if outcome.takes_classes and label.raw is not None and label.raw < outcome.scale.score_range[0]:
        return tag(results["severities"][outcome.stratum_of(label.raw)], "text")
    return tag(label, "points")


TEXTS: dict[str, Callable[[Outcome], Texts]] = {
    "classes": _of_classes,
    "pasi": _of_numbers,
    "pasi regional": _of_numbers,
}
