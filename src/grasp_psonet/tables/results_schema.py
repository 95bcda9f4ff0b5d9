"""The form of results.json, versioned: a JSON Schema that is shipped with the package, and what writes it.

``results.json`` names its form in ``schema_version``. A key that is added raises the second number; one that goes, or means
something else, the first. ``python -m grasp_psonet.tables.results_schema RESULTS.json ...`` writes the schema from results of
studies that differ (classes, a number, parts of a number): types and the keys that all of them have.
"""

import argparse
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

SCHEMA_VERSION = "1.0"
_FILE = "results.schema.json"

_NEVER_NULL = {"schema_version", "study", "chosen", "arms", "splits", "severities", "making"}
_OPEN = {"settings", "versions"}  # whose contents have a form of their own

# what stands at the top, in words
MEANINGS = {
    "schema_version": "version of this form",
    "study": "name of the folder",
    "formula": "influence formula that pruning followed",
    "end": "end of the ranking that was taken",
    "remove": "what left when a photo was taken: photo, visit or patient",
    "encoder": "encoder of the network",
    "severities": "classes, or strata of a number, lowest first",
    "chosen": "name of the run that validation chose; baseline: no pruning",
    "chosen_index": "its place in arms",
    "control_index": "place in arms of the random removal beside it; null without one",
    "arms": "every run with its figures and intervals, by reader",
    "verdicts": "of each reader: better, worse or not told from the baseline",
    "control_verdicts": "of each reader: the chosen run against its random control",
    "against_random": "paired differences of the chosen run and its random control",
    "comparisons": "paired differences of runs, in words and figures",
    "confidence": "level of every interval",
    "difference_sign": "how a difference is to be read",
    "score_sign": "how a score is to be read",
    "splits": "visits, patients, photos and class mix of each split",
    "total": "the same, added up",
    "train_photos": "photos of the train split",
    "errors": "validation errors of the baseline",
    "num_errors": "how many of them",
    "num_queries": "how many visits were traced as errors",
    "flagged": "photos that leave first, with score and reason",
    "removal": "share removed of each group, by the chosen run",
    "removal_warnings": "groups from which a run takes more than chance",
    "overall_removal": "photos removed by the chosen run",
    "confusions": "confusion matrices, by run and reader",
    "curves": "what each epoch of each run gave",
    "audit": "rankings of visits for a second reading, with what they find",
    "paper_audit": "what the paper's list found, on other data",
    "diagnosis": "what flagged photos share, and what is wrong with the study",
    "learning": "what keeps the baseline from being worth tracing; empty where nothing does",
    "probe": "a linear model on frozen features, beside the network",
    "readers": "agreement of readers",
    "reader_kappa": "agreement of the first two readers",
    "reading": "rounds of second readings and revisions",
    "subgroups": "figures by group",
    "truth": "what was planted, and what of it was removed; only of drawn studies",
    "traced": "error by error: the photos that pushed it and those that held against it",
    "photos": "every photo, without its picture",
    "maps": "how faithful the maps are; null without photos",
    "over_time": "a number over the visits of a patient; null of classes",
    "detail": "figures of parts of a number; null otherwise",
    "training_seeds": "trainings of each arm, whose figures are means",
    "is_synthetic": "whether the cohort is drawn",
    "has_one_ranking": "whether photos were ranked for all errors together",
    "of_every_epoch": "whether errors of every epoch were traced, or those of the kept one",
    "min_gain_se": "standard errors by which a pruning has to beat the baseline on validation",
    "reader_mae": "mean absolute error between the first two readers, of a number",
    "chance": "what each figure is by chance",
    "small_groups": "groups of test visits too small to trust",
    "compared": "pairs of runs",
    "clock": "date, machine and durations",
    "publication": "methods in words",
    "making": "settings, versions and stages that made it",
}


def results_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of results.json as this version writes it."""
    schema: dict[str, Any] = json.loads((files("grasp_psonet.tables") / _FILE).read_text(encoding="utf-8"))
    return schema


def schema_from(examples: list[dict[str, Any]]) -> dict[str, Any]:
    """The schema that all of these results fulfil."""
    own = {name for example in examples for name in example["severities"]}
    own |= {arm["name"] for example in examples for arm in example["arms"]}
    body = _schema_of([example | {"schema_version": SCHEMA_VERSION} for example in examples], own)
    for name, told in body["properties"].items():
        if name in _NEVER_NULL:
            told["type"] = [one for one in told["type"] if one != "null"]
        if name in MEANINGS:
            told["description"] = MEANINGS[name]
    body["type"] = "object"
    body["properties"]["schema_version"]["pattern"] = rf"^{SCHEMA_VERSION.partition('.')[0]}\.\d+$"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"results.json of GRASP-PsONet, form {SCHEMA_VERSION}",
    } | body


def _schema_of(values: list[Any], own: set[str]) -> dict[str, Any]:
    """Types of all values, or null: what a study cannot tell; of objects their keys, of arrays their items.

    ``own``: names that a study gives (classes, runs).
    """
    types = {_type(value) for value in values} - {"null"}
    if "number" in types:
        types -= {"integer"}
    schema: dict[str, Any] = {"type": [*sorted(types), "null"]}
    if not types:
        return {}
    objects = [value for value in values if isinstance(value, dict)]
    items = [item for value in values if isinstance(value, list) for item in value]
    if objects:
        schema |= _keys_of(objects, own)
    if items:
        schema["items"] = _schema_of(items, own)
    return schema


def _keys_of(objects: list[dict[str, Any]], own: set[str]) -> dict[str, Any]:
    """Keys by name; those that hold a name of the study's own are told by what stands under them alone."""
    names = list(dict.fromkeys(name for value in objects for name in value))
    free = {name for name in names if name in own or any(name.endswith(f"_{one}") for one in own)}
    fixed = [name for name in names if name not in free]
    schema: dict[str, Any] = {}
    if fixed:
        shared = [name for name in fixed if all(name in value for value in objects)]
        schema["properties"] = {
            name: {} if name in _OPEN else _schema_of([value[name] for value in objects if name in value], own)
            for name in fixed
        }
        schema |= {"required": shared} if shared else {}
    if free:
        below = [value[name] for value in objects for name in value if name in free]
        schema["additionalProperties"] = _schema_of(below, own) if not fixed else True
    return schema


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case str():
            return "string"
        case list():
            return "array"
        case _:
            return "object"


def main() -> None:
    """Writes the schema beside this module."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path, nargs="+", help="results.json of studies that differ")
    examples = [json.loads(path.read_text(encoding="utf-8")) for path in parser.parse_args().results]
    text = json.dumps(schema_from(examples), indent=1, ensure_ascii=False) + "\n"
    text = re.sub(r'\[\s+((?:"\w+",\s+)*"\w+")\s+\]', lambda found: f"[{' '.join(found[1].split())}]", text)
    Path(__file__).with_name(_FILE).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
