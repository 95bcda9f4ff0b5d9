"""The texts for publication as files that lie beside the page and are linked from it."""

from collections.abc import Mapping
from typing import Any

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.report.publication.cards import data_card, file_name, model_card
from grasp_psonet.report.publication.checklists import checklists_of
from grasp_psonet.report.publication.facts import Facts, plain

FOLDER = "publication"
METHODS, CHECKLISTS = "methods.md", "reporting-guidelines.md"


def publication_files(tree: Mapping[str, Any], outcome: Outcome) -> dict[str, str]:
    """Markdown by file name: methods, tables for reporting guidelines, a model card and a data card of every run."""
    facts = Facts(tree, outcome)
    methods = "\n\n".join(map(plain, tree["publication"]["methods"]))
    found = {METHODS: f"# Methods of the study {plain(tree['study'])}\n\n{methods}\n", CHECKLISTS: checklists_of(facts)}
    for arm in facts.arms:
        model, data = cards_of(arm["name"])
        found |= {model: model_card(facts, arm), data: data_card(facts, arm)}
    return found


def cards_of(run: str) -> tuple[str, str]:
    """The files of a run's model card and data card."""
    return f"model-card-{file_name(run)}.md", f"data-card-{file_name(run)}.md"
