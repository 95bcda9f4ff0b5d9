"""A model card and a data card of every run, as Markdown."""

from typing import Any

from grasp_psonet.report.publication.facts import UNKNOWN, Facts, difference, estimate, plain, table
from grasp_psonet.report.shown import count, percent, percent0

_KINDS = {
    "baseline": "the baseline, trained on every training photo",
    "pruned": "trained again without the photos of a keep list",
    "random": "a control: trained again without as many photos at random, visit by visit",
    "class": "a control: trained again without as many photos at random, class by class",
    "loss": "a control: trained again without the photos of highest loss",
}


def model_card(facts: Facts, arm: dict[str, Any]) -> str:
    """What the network of a run is, what it was made from, how well it does and where it must not be used."""
    told, tree = facts.told, facts.tree
    heads = [
        "Figure on test",
        *tree["readers"],
        *(f"difference to the baseline, {reader}" for reader in tree["readers"]),
    ]
    rows = []
    for name in told.shown:
        changes = [of[f"{name}_difference"] for of in arm["figures"]]
        rows.append(
            [
                told.metrics[name].full
                + ("" if told.metrics[name].chance is None else f" (chance {told.metrics[name].chance:g})"),
                *(estimate(of[name]) for of in arm["figures"]),
                *("–" if one is None else difference(one) for one in changes),
            ]
        )
    lines = [
        f"# Model card: {plain(arm['name'])}",
        f"Of the study {plain(tree['study'])}. This run is {_KINDS[arm['kind']]}"
        f"{', and the one that was chosen' if arm['is_chosen'] else ''}.",
        "## What it does",
        f"It answers, from all photos of a visit at once, {_answers(facts)}. Encoder {plain(tree['encoder'])}, "
        f"{plain(facts.setting('network.attention'))} attention. Its weights lie in runs/{plain(arm['name'])}.",
        "## Not for",
        "A research tool and no medical device: it may not guide the care of a patient. It was tested on these visits alone; "
        "other devices, views, clinics and skin are unknown to it."
        if facts.outcome.score_word == "PASI"
        else "A research tool and no medical device. It was tested on these visits alone; other photos are unknown to it.",
        "## Trained on",
        f"{facts.counts('train')}; without {facts.removed(arm)}. See the [data card](data-card-{file_name(arm['name'])}.md).",
        "## Figures",
        f"Test: {facts.counts('test')}. Brackets: {plain(facts.interval())}. Differences are paired, positive = better.",
        table(heads, rows),
        _of_groups(facts, arm),
        "## Limits",
        "\n".join(f"- {plain(line)}" for line in _limits(facts)),
        "## Made with",
        plain(facts.versions()) + ".",
    ]
    return _joined(lines)


def data_card(facts: Facts, arm: dict[str, Any]) -> str:
    """What data a run was made from and tested on, how they were labelled, and what was taken from whom."""
    tree, total = facts.tree, facts.tree["total"]
    rows = [
        [
            word,
            count(of["visits"]),
            count(of["patients"]),
            count(of["photos"]),
            facts.mix(name),
            count(of["read_twice"]),
            count(of["disagreements"]),
        ]
        for name, word in (("train", "training"), ("val", "validation"), ("test", "test"))
        for of in [facts.split(name)]
    ]
    lines = [
        f"# Data card: {plain(arm['name'])}",
        f"Of the study {plain(tree['study'])}: {count(total['visits'])} visits of {count(total['patients'])} patients with "
        f"{count(total['photos'])} photos. Digest of the tables: {plain(tree['making']['data_digest']) or UNKNOWN}.",
        "## Source",
        "Drawn by a program: no patient is in it, and its figures say nothing about patients."
        if tree["is_synthetic"]
        else f"Where, when and how the photos were taken, who is in them and who consented: {UNKNOWN}.",
        "## Splits",
        table(["Split", "Visits", "Patients", "Photos", "Visits by label", "Read twice", "Read differently"], rows),
        "All visits of a patient are in one split.",
        "## Labels",
        f"{plain(tree['readers'][0])}'s {plain(facts.label)} trains; {plain(facts.readers_agree())}. "
        f"Qualifications of the readers: {UNKNOWN}.",
        "## Photos that this run was trained without",
        f"{facts.removed(arm)}.",
        _taken(facts, arm),
        "## What is known to be wrong",
        "\n".join(f"- {plain(line)}" for line in _wrong(facts, arm)),
    ]
    return _joined(lines)


def file_name(run: str) -> str:
    """The name of a run within the name of a file."""
    return "".join(sign if sign.isalnum() or sign in "_-." else "_" for sign in run)


def _answers(facts: Facts) -> str:
    if facts.outcome.is_ordinal:
        return "one of " + ", ".join(plain(name) for name in facts.outcome.classes)
    return f"{plain(facts.outcome.score_word)} in points"


def _of_groups(facts: Facts, arm: dict[str, Any]) -> str:
    """Groups, of the two runs that the report tells them of."""
    which = "baseline" if arm["kind"] == "baseline" else "chosen" if arm["is_chosen"] else None
    groups = facts.tree["subgroups"]
    if which is None or not groups:
        return "Figures of groups: evaluation/figures.parquet."
    rows = [
        [
            one["column"],
            one["group"],
            one["reader"],
            count(one["visits"]),
            count(one["patients"]),
            one["metric"],
            estimate(one[which]),
        ]
        for one in groups
    ]
    return table(["Column", "Group", "Reader", "Visits", "Patients", "Figure", "Value"], rows)


def _taken(facts: Facts, arm: dict[str, Any]) -> str:
    rates = facts.tree["removal"] if arm["is_chosen"] else []
    if not rates:
        return "By group: evaluation/removal.parquet." if arm["removed"] else ""
    rows = [
        [
            one["column"],
            one["group"],
            count(one["removed"]),
            count(one["photos"]),
            "–" if one["rate"] is None else percent(one["rate"]),
        ]
        for one in rates
    ]
    return table(["Column", "Group", "Removed", "Of", "Rate"], rows)


def _limits(facts: Facts) -> list[str]:
    small = facts.tree["small_groups"]
    few = (
        [f"{small['num_groups']} of {small['of']} groups have fewer than {small['below']} test visits."]
        if small["groups"]
        else []
    )
    return [*facts.tree["making"]["limits"], *few, *facts.tree["making"]["warnings"]]


def _wrong(facts: Facts, arm: dict[str, Any]) -> list[str]:
    tree = facts.tree
    diagnosis = [] if tree["diagnosis"] is None else [f"Diagnosis: {tree['diagnosis']['in_words']}."]
    differ = tree["total"]["disagreements"], tree["total"]["read_twice"]
    readers = (
        [f"Readers differ on {percent0(differ[0] / differ[1])} of the visits that both read."] if differ[1] else []
    )
    warned = [text for entry in tree["removal_warnings"] if entry["run"] == arm["name"] for text in entry["warnings"]]
    return [*diagnosis, *readers, *warned] or ["Nothing that this study looked for."]


def _joined(lines: list[str]) -> str:
    return "\n\n".join(line for line in lines if line) + "\n"
