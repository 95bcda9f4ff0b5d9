"""Values of rounds: forms, queues, charters, agreement, and where a database can stand."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.settings import SeveritySettings
from grasp_psonet.errors import SettingsError, StudyError
from grasp_psonet.reading.charter import Charter
from grasp_psonet.reading.draw import FIRST, REPEAT, Listed, drawn_visits, queue_of
from grasp_psonet.reading.form import Answers, form_of, pasi
from grasp_psonet.reading.pairs import agreement
from grasp_psonet.reading.place import AppPlace, mount_kind, refuse_network_disk
from grasp_psonet.reading.settings import ReadingSettings

REGIONS = ("head", "upper_limbs", "trunk", "lower_limbs")
WEIGHTS = {"head": 0.1, "upper_limbs": 0.2, "trunk": 0.3, "lower_limbs": 0.4}
LEVELS = Outcome(SeveritySettings(classes=("none", "some", "much"), score_column=None))
POINTS = Outcome(SeveritySettings(score_column="easi", score_range=(0.0, 50.0), cutoffs=(5.0, 20.0)))


def charter(**more: object) -> Charter:
    told: dict[str, object] = {
        "round": "one",
        "readers": ("a", "b"),
        "adjudicators": ("c",),
        "severity": SeveritySettings(),
        "form": "auto",
        "adjudicate": "class",
        "adjudicate_points": 5.0,
        "correction": "none",
        "seed": 1,
        "num_flagged": 3,
        "num_controls": 3,
        "repeats": 0.1,
        "edge_px": 1600,
    }
    return Charter(**(told | more))  # type: ignore[arg-type]


@given(st.lists(st.integers(0, 4), min_size=12, max_size=12), st.lists(st.integers(0, 6), min_size=4, max_size=4))
def test_pasi_is_its_formula(grades: list[int], areas: list[int]) -> None:
    values, total = {}, 0.0
    for number, region in enumerate(REGIONS):
        own = grades[3 * number : 3 * number + 3]
        values |= {
            f"{region}_{part}": float(grade)
            for part, grade in zip(("erythema", "induration", "desquamation"), own, strict=True)
        }
        values[f"{region}_area"] = float(areas[number])
        total += WEIGHTS[region] * sum(own) * areas[number]
    assert pasi(values) == pytest.approx(total, abs=1e-9)


def test_a_form_follows_the_scale() -> None:
    assert form_of(Outcome(), "auto").kind == "components"
    assert len(form_of(Outcome(), "auto").questions) == 16
    assert form_of(POINTS, "auto").kind == "score"
    assert form_of(LEVELS, "auto").kind == "class"
    assert form_of(Outcome(), "class").questions[0].choices == ((0, "mild"), (1, "moderate"), (2, "severe"))
    with pytest.raises(SettingsError, match="no PASI"):
        form_of(POINTS, "components")
    with pytest.raises(SettingsError, match="has none"):
        form_of(LEVELS, "score")


def test_score_and_class_of_answers() -> None:
    points = form_of(POINTS, "auto")
    assert points.score_and_class(Answers({"score": 5.0})) == (5.0, 0)
    assert points.score_and_class(Answers({"score": 21.5})) == (21.5, 2)
    assert form_of(LEVELS, "auto").score_and_class(Answers({"class": 1})) == (None, 1)
    assert points.score_and_class(Answers({"score": 5.0}, assessable=False, reason="dark")) == (None, None)


@pytest.mark.parametrize("text", ["51", "-1", "nan", "inf", "1e400", "five", "", "1 2", "0x10"])
def test_a_score_outside_its_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"EASI.*(no number|wanted a number)"):
        form_of(POINTS, "auto").value_of("score", text)


@pytest.mark.parametrize(
    ("name", "text"), [("head_area", "7"), ("head_erythema", "5"), ("head_erythema", "1.0"), ("nose_area", "1")]
)
def test_an_answer_that_is_none_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"none of the answers|no such question"):
        form_of(Outcome(), "auto").value_of(name, text)


def test_grades_where_there_is_no_area_contradict() -> None:
    form = form_of(Outcome(), "auto")
    values = {question.name: 0.0 for question in form.questions}
    assert form.lacking(Answers(values)) == []
    assert form.lacking(Answers(values | {"trunk_erythema": 2.0})) == ["trunk: its area is 0, so every grade is 0"]
    assert form.lacking(Answers({}, assessable=False)) == ["why the visit is not assessable"]
    assert len(form.lacking(Answers({}))) == 16


def test_answers_come_back_as_they_were() -> None:
    told = Answers({"b": 1.0, "a": 2.0}, False, "dark", "seen", {"x": ("tint", "blur"), "y": ()})
    assert Answers.from_json(told.as_json()).as_json() == told.as_json()
    assert told.as_json()["flags"] == {"x": ["blur", "tint"]}


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.floats(0, 0.5), st.integers(0, 1000))
def test_a_queue_holds_every_visit_once_and_repeats_well_apart(num_visits: int, repeats: float, seed: int) -> None:
    visits = [f"v{number}" for number in range(num_visits)]
    queue = queue_of(visits, repeats, (seed, "one", "rita"))
    counts = Counter(turn.kind for turn in queue)
    assert sorted(turn.visit_id for turn in queue if turn.kind == FIRST) == sorted(visits)
    assert counts[REPEAT] <= round(repeats * num_visits)
    gap = max(2, num_visits // 4)
    place = {(turn.visit_id, turn.kind): at for at, turn in enumerate(queue)}
    for (visit, kind), at in place.items():
        if kind == REPEAT:
            assert at - place[visit, FIRST] >= gap


def test_a_queue_is_fixed_by_its_seed_and_differs_between_readers() -> None:
    visits = [f"v{number}" for number in range(40)]
    first = queue_of(visits, 0.1, (1, "one", "rita"))
    assert first == queue_of(visits, 0.1, (1, "one", "rita"))
    others = [queue_of(visits, 0.1, key) for key in ((2, "one", "rita"), (1, "two", "rita"), (1, "one", "rob"))]
    assert all(other != first for other in others)
    assert sum(turn.kind == REPEAT for turn in first) == 4


def test_controls_are_drawn_from_those_not_flagged() -> None:
    listed = [Listed(f"v{number}", number < 4) for number in range(20)]
    drawn = drawn_visits(listed, None, 1.5, (3, "one"))
    assert [visit.visit_id for visit in drawn if visit.is_flagged] == ["v0", "v1", "v2", "v3"]
    controls = {visit.visit_id for visit in drawn if not visit.is_flagged}
    assert len(controls) == 6
    assert not controls & {"v0", "v1", "v2", "v3"}
    assert drawn == drawn_visits(listed, None, 1.5, (3, "one"))
    assert controls != {visit.visit_id for visit in drawn_visits(listed, None, 1.5, (4, "one")) if not visit.is_flagged}
    assert sum(visit.is_flagged for visit in drawn_visits(listed, 7, 0.0, (3, "one"))) == 7


def test_a_list_that_is_too_short_is_refused() -> None:
    listed = [Listed("a", True), Listed("b", True), Listed("c", False)]
    with pytest.raises(StudyError, match="ask for 2 controls"):
        drawn_visits(listed, None, 1.0, (1, "one"))
    with pytest.raises(StudyError, match="wanted 9"):
        drawn_visits(listed, 9, 0.0, (1, "one"))
    with pytest.raises(StudyError, match="holds 0 visits"):
        drawn_visits([Listed("a", False)], None, 0.0, (1, "one"))


@pytest.mark.parametrize(
    ("rule", "results", "asked"),
    [
        ("class", [(3.0, 0), (4.9, 0)], False),
        ("class", [(4.9, 0), (5.1, 1)], True),
        ("class", [(4.9, 0), (None, None)], True),
        ("class", [(None, None), (None, None)], False),
        ("class", [(3.0, 0), (3.0, 0), (12.0, 2)], True),
        ("points", [(4.9, 0), (9.9, 1)], False),
        ("points", [(4.9, 0), (10.0, 1)], True),
        ("none", [(4.9, 0), (30.0, 2)], False),
        ("class", [(4.9, 0)], False),
    ],
)
def test_when_a_third_reading_is_asked_for(
    rule: str, results: list[tuple[float | None, int | None]], asked: bool
) -> None:
    assert charter(adjudicate=rule).asks_for_another(results) is asked


def test_a_charter_comes_back_as_it_was() -> None:
    told = charter()
    assert Charter.from_json(told.as_json()) == told
    assert Charter.from_json(told.as_json()).digest == told.digest
    assert charter(seed=2).digest != told.digest


def test_agreement_is_sklearns_kappa_and_plain_means() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.integers(0, 3, 50), rng.integers(0, 3, 50)
    pairs = [((float(a) * 5, int(a)), (float(b) * 5 + 1, int(b))) for a, b in zip(first, second, strict=True)]
    found = agreement([*pairs, ((None, None), (1.0, 0))], 3)
    assert found.num_visits == 50
    assert found.kappa == pytest.approx(cohen_kappa_score(first, second, weights="linear"))
    assert found.same_class == pytest.approx((first == second).mean())
    assert found.mean_difference == pytest.approx((second * 5 + 1 - first * 5).mean())
    assert found.mean_absolute_difference == pytest.approx(np.abs(second * 5 + 1 - first * 5).mean())
    assert agreement([((1.0, 0), (1.0, 0))], 3).kappa is None
    assert agreement([], 3).same_class is None


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "fuse.glusterfs", "lustre", "ceph"]
)
def test_sqlite_is_refused_on_a_network_disk(kind: str, tmp_path: Path) -> None:
    mounts = f"/dev/sda1 / ext4 rw 0 0\nserver:/export {str(tmp_path).replace(' ', chr(92) + '040')} {kind} rw 0 0\n"
    with pytest.raises(StudyError, match=f"network disk .{kind}.*\n.*PostgreSQL"):
        refuse_network_disk(tmp_path / "reading-app", mounts)
    refuse_network_disk(Path("/"), mounts)


def test_the_nearest_mount_counts(tmp_path: Path) -> None:
    mounts = (
        f"a / nfs rw 0 0\nb {tmp_path} ext4 rw 0 0\nc {tmp_path}/deep tmpfs rw 0 0\nd {tmp_path}-beside cifs rw 0 0\n"
    )
    assert mount_kind(tmp_path / "x", mounts) == "ext4"
    assert mount_kind(tmp_path / "deep" / "y", mounts) == "tmpfs"
    assert mount_kind(Path("/elsewhere"), mounts) == "nfs"
    assert mount_kind(tmp_path) != ""


def test_the_key_is_made_once_and_for_this_account_alone(tmp_path: Path) -> None:
    place = AppPlace(tmp_path)
    place.make()
    key = place.key()
    assert place.key() == key
    assert (place.folder / "secret.key").stat().st_mode & 0o777 == 0o600
    assert place.folder.stat().st_mode & 0o777 == 0o700
    with pytest.raises(StudyError, match="is not a folder"):
        AppPlace(tmp_path / "none").make()


@pytest.mark.parametrize(
    ("name", "value"),
    [("edge_px", 10), ("flagged", 0), ("controls", -1.0), ("repeats", 0.9), ("adjudicate_points", 0.0)],
)
def test_settings_out_of_range_are_refused(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=f"reading.{name}"):
        ReadingSettings(**{name: value})  # type: ignore[arg-type]


def test_a_scale_that_is_learned_as_a_number_is_read_by_its_parts() -> None:
    told = charter(severity=SeveritySettings(outcome="pasi"))
    assert Charter.from_json(told.as_json()) == told
    assert told.questions().kind == "components"
    assert form_of(told.outcome, "score").score_and_class(Answers({"score": 12.0})) == (12.0, 2)
