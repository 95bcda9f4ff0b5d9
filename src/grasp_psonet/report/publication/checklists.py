"""Tables for reporting guidelines: what a study knows of their items, in own words, "not known to the study" of the rest.

Sources: CLAIM 2024 update (Tejani et al., Radiology: Artificial Intelligence 2024, 6(4), e240300); TRIPOD+AI (Collins et al.,
BMJ 2024, 385, e078378); STARD-AI (Sounderajah et al., Nature Medicine 2025). Each table is a selection; of CLAIM and STARD-AI
the topics stand without their numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass

from grasp_psonet.report.publication.facts import UNKNOWN, Facts, plain, table
from grasp_psonet.report.shown import count

Answer = Callable[[Facts], str | None]


@dataclass(frozen=True)
class Guideline:
    """``items``: number (empty where topics stand without), topic in own words, and what a study says (None: not known)."""

    name: str
    source: str
    items: tuple[tuple[str, str, Answer], ...]


def checklists_of(facts: Facts) -> str:
    """The tables of all guidelines as Markdown."""
    parts = [
        "# Reporting guidelines",
        f"What the study {plain(facts.tree['study'])} knows of the items that a paper is asked for. Each table is a "
        "selection, in our own words: hold it beside the published checklist. Figures are those of results.json.",
    ]
    for one in GUIDELINES:
        rows = [[number or "–", topic, answer(facts) or UNKNOWN] for number, topic, answer in one.items]
        parts += [f"## {one.name}", f"Source: {one.source}.", table(["Item", "Topic", "What the study says"], rows)]
    return "\n\n".join(parts) + "\n"


def _unknown(_: Facts) -> None:
    """What no study folder holds."""


def _source(facts: Facts) -> str | None:
    return "drawn by a program; no patient is in it" if facts.tree["is_synthetic"] else None


def _prepared(facts: Facts) -> str | None:
    if facts.is_of_features:
        return "features of the photos were computed elsewhere"
    edge = facts.setting("photos.edge_px")
    fit = facts.setting("photos.fit")
    return None if edge == "?" else f"photos turned upright, metadata dropped, {fit} to {edge} pixels a side"


def _identified(facts: Facts) -> str | None:
    if facts.is_of_features:
        return None
    return "photos are stored without metadata; whether ids are pseudonyms is not known to the study"


def _missing(_: Facts) -> str | None:
    return (
        "visits that a reader did not read are left out of figures against that reader, and counted; nothing is imputed"
    )


def _reference(facts: Facts) -> str | None:
    rule = facts.setting("severity.training_label")
    return f"{facts.tree['readers'][0]}'s {facts.label} (training label: {rule}); who the readers are is not known to the study"


def _raters(facts: Facts) -> str | None:
    return facts.readers_agree()


def _test_labels(facts: Facts) -> str | None:
    test = facts.split("test")
    return f"{count(test['visits'])} test visits, {count(test['read_twice'])} of them read by two readers"


def _partition(facts: Facts) -> str | None:
    return "; ".join(f"{name}: {facts.counts(name)}" for name in ("train", "val", "test"))


def _disjoint(_: Facts) -> str | None:
    return "patients: all visits of a patient are in one split"


def _model(facts: Facts) -> str | None:
    of = facts.setting
    return (
        f"encoder {facts.tree['encoder']}, feature length {of('network.feature_length')}, {of('network.attention')} "
        f"attention over the photos of a visit, head of {of('network.head_hidden')} hidden units; all settings in the report"
    )


def _software(facts: Facts) -> str | None:
    return facts.versions()


def _start(facts: Facts) -> str | None:
    return f"weights {facts.setting('network.weights')}; seed {facts.setting('seed')}"


def _training(facts: Facts) -> str | None:
    of = facts.setting
    return (
        f"{of('train.epochs')} epochs, {of('train.optimizer.kind')} at {of('train.optimizer.lr')}, "
        f"{of('train.visits_per_step')} visits a step, sampling {of('train.sampling')}"
    )


def _selected(facts: Facts) -> str | None:
    removals = facts.tree["comparisons"]["removals"]
    return (
        f"epoch and removal ({count(removals)} compared) by {facts.told.chooser.full} on validation; test took no part"
    )


def _ensemble(facts: Facts) -> str | None:
    seeds = facts.tree["training_seeds"]
    return "none; figures are means over training seeds" if seeds > 1 else "none"


def _metrics(facts: Facts) -> str | None:
    return ", ".join(facts.told.metrics[name].full for name in facts.told.shown)


def _uncertainty(facts: Facts) -> str | None:
    return facts.interval()


def _robust(facts: Facts) -> str | None:
    controls = [arm for arm in facts.arms if arm["kind"] in ("random", "class", "loss")]
    return f"{count(len(controls))} control removals, {count(facts.tree['training_seeds'])} training seed(s), figures by group"


def _explained(facts: Facts) -> str | None:
    maps = facts.tree["maps"]
    of_maps = (
        ""
        if maps is None
        else f"; maps by {', '.join(name for name in maps['methods'])}, tested by deletion and insertion where told"
    )
    return f"influence of training photos on errors ({facts.tree['formula']}){of_maps}"


def _numbers(facts: Facts) -> str | None:
    total = facts.tree["total"]
    seen = f"{count(total['patients'])} patients, {count(total['visits'])} visits, {count(total['photos'])} photos"
    return f"{seen}; exclusions before are not known"


def _characteristics(facts: Facts) -> str | None:
    return (
        "; ".join(f"{name}: {facts.mix(name)}" for name in ("train", "val", "test"))
        + "; test visits by group in the report"
    )


def _performance(facts: Facts) -> str | None:
    return f"{facts.chosen['name']}: {'; '.join(facts.figures(facts.chosen))}"


def _differences(facts: Facts) -> str | None:
    found = facts.differences(facts.chosen)
    return f"to the baseline, paired, positive = better: {'; '.join(found)}" if found else None


def _failures(facts: Facts) -> str | None:
    traced = facts.tree["traced"]
    errors = facts.tree["num_queries"] if traced is None else traced["num_errors"]
    return f"{count(errors)} validation errors traced to training photos, error by error in the report"


def _groups(facts: Facts) -> str | None:
    small = facts.tree["small_groups"]
    few = f"{small['num_groups']} of {small['of']} groups have fewer than {small['below']} test visits"
    return f"figures by group with intervals; {few}"


def _limits(facts: Facts) -> str | None:
    return " ".join(line for line in facts.tree["making"]["limits"])


def _balance(facts: Facts) -> str | None:
    return f"sampling {facts.setting('train.sampling')}; training visits: {facts.mix('train')}"


def _output(facts: Facts) -> str | None:
    return "a probability of each class, and the most probable" if facts.outcome.is_ordinal else "a number of points"


def _external(_: Facts) -> str | None:
    return None


GUIDELINES = (
    Guideline(
        "CLAIM 2024",
        "Tejani AS et al., Checklist for Artificial Intelligence in Medical Imaging (CLAIM): 2024 Update, "
        "Radiology: Artificial Intelligence 2024; 6(4): e240300. Topics alone: look up the numbers there",
        (
            ("", "where the data come from", _source),
            ("", "who was included and who was not", _unknown),
            ("", "preprocessing", _prepared),
            ("", "how identities were removed", _identified),
            ("", "missing data", _missing),
            ("", "how images were taken", _unknown),
            ("", "how the reference standard was obtained", _reference),
            ("", "why this reference standard", _unknown),
            ("", "annotation of the test set", _test_labels),
            ("", "variability within and between raters", _raters),
            ("", "how data were divided", _partition),
            ("", "level at which the parts are disjoint", _disjoint),
            ("", "intended sample size", _unknown),
            ("", "the model", _model),
            ("", "software", _software),
            ("", "initial parameters", _start),
            ("", "training", _training),
            ("", "how the final model was selected", _selected),
            ("", "ensembles", _ensemble),
            ("", "measures of performance", _metrics),
            ("", "uncertainty", _uncertainty),
            ("", "robustness", _robust),
            ("", "explanation", _explained),
            ("", "external data", _external),
            ("", "numbers included and left out", _numbers),
            ("", "characteristics of each part", _characteristics),
            ("", "performance with uncertainty", _performance),
            ("", "analysis of failures", _failures),
            ("", "limitations", _limits),
            ("", "funding", _unknown),
        ),
    ),
    Guideline(
        "TRIPOD+AI",
        "Collins GS et al., TRIPOD+AI statement, BMJ 2024; 385: e078378",
        (
            ("5", "sources of data and dates", _source),
            ("6", "setting and eligibility of participants", _unknown),
            ("7", "preparation of the data", _prepared),
            ("8", "the outcome and how it was assessed", _reference),
            ("10", "how the sample size was reached", _unknown),
            ("11", "missing data", _missing),
            ("12a", "how data were used for development and evaluation", _partition),
            ("12c", "type of model and how it was built", _model),
            ("12e", "measures of performance", _metrics),
            ("13", "class imbalance", _balance),
            ("14", "fairness", _groups),
            ("15", "output of the model", _output),
            ("17", "ethical approval", _unknown),
            ("18", "funding, protocol, registration, sharing of data and code", _unknown),
            ("19", "involvement of patients and the public", _unknown),
            ("20", "participants and their characteristics", _characteristics),
            ("21", "numbers in each analysis", _partition),
            ("23", "performance with intervals", _performance),
            ("24", "results of updating the model (here: pruning)", _differences),
            ("26", "limitations", _limits),
        ),
    ),
    Guideline(
        "STARD-AI",
        "Sounderajah V et al., The STARD-AI reporting guideline for diagnostic accuracy studies using artificial intelligence, "
        "Nature Medicine 2025. Topics alone: look up the numbers there",
        (
            ("", "eligibility, setting and dates of participants", _unknown),
            ("", "source and preparation of the images", _prepared),
            ("", "division into training and test, and its level", _partition),
            ("", "the index test: model, version, output", _model),
            ("", "the reference standard and who applied it", _reference),
            ("", "whether readers knew the index test's answer", _unknown),
            ("", "estimates of accuracy and their precision", _performance),
            ("", "variability, and analyses of groups", _groups),
            ("", "missing or indeterminate results", _missing),
            ("", "flow and numbers of participants", _numbers),
            ("", "errors and their analysis", _failures),
            ("", "limitations and generalisability", _limits),
            ("", "registration, protocol, funding", _unknown),
        ),
    ),
)
