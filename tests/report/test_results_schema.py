"""results.json has the form that the shipped schema states, and the schema is no empty promise."""

import copy
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from grasp_psonet.report.results import results
from grasp_psonet.tables.results_schema import MEANINGS, SCHEMA_VERSION, results_schema, schema_from
from tests.report.fake import fake_report


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = results_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.fixture
def tiny(tiny_demo: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((tiny_demo / "report" / "results.json").read_text(encoding="utf-8"))
    return read


def test_the_tiny_study_has_the_stated_form(tiny: dict[str, Any], validator: jsonschema.Draft202012Validator) -> None:
    assert tiny["schema_version"] == SCHEMA_VERSION
    assert [error.json_path for error in validator.iter_errors(tiny)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema_version",), "2.0"),
        (("chosen",), None),
        (("arms",), {}),
        (("arms", 0, "removed"), "none"),
        (("arms", 0, "name"), 3),
        (("splits", 0, "visits"), "36"),
        (("total",), []),
    ],
)
def test_another_form_is_refused(
    path: tuple[str | int, ...], value: Any, tiny: dict[str, Any], validator: jsonschema.Draft202012Validator
) -> None:
    broken: Any = copy.deepcopy(tiny)
    place = broken
    for key in path[:-1]:
        place = place[key]
    assert path[-1] in place or isinstance(path[-1], int)
    place[path[-1]] = value
    assert not validator.is_valid(broken)


@pytest.mark.parametrize("key", ["schema_version", "arms", "chosen", "splits", "score_sign"])
def test_a_key_that_goes_is_refused(key: str, tiny: dict[str, Any], validator: jsonschema.Draft202012Validator) -> None:
    del tiny[key]
    assert not validator.is_valid(tiny)


def test_what_a_later_version_adds_is_no_fault(
    tiny: dict[str, Any], validator: jsonschema.Draft202012Validator
) -> None:
    tiny["later"] = {"more": 1}
    tiny["arms"][0]["later"] = 2
    tiny["schema_version"] = SCHEMA_VERSION.partition(".")[0] + ".99"
    assert validator.is_valid(tiny)


def test_classes_and_runs_of_a_study_are_no_part_of_the_form() -> None:
    def study(names: list[str], run: str) -> dict[str, Any]:
        return {
            "severities": names,
            "arms": [{"name": run, "removed": 1}],
            "mix": dict.fromkeys(names, 0.5) | {f"p_{names[0]}": 1},
            "why": None,
        }

    schema = schema_from([study(["mild", "severe"], "cosine-k3"), study(["mild", "severe"], "cosine-k3")])
    jsonschema.validate(study(["leicht", "schwer"], "adam-k9") | {"schema_version": SCHEMA_VERSION}, schema)
    assert "mild" not in json.dumps(schema)


def test_every_key_at_the_top_has_its_meaning(validator: jsonschema.Draft202012Validator) -> None:
    schema = validator.schema
    assert isinstance(schema, dict)
    required = set(schema["required"])
    assert len(required) > 30
    assert required <= MEANINGS.keys()
    assert next(iter(results(fake_report()))) == "schema_version"
