"""Planted faults: strength 1 is the look of the drawn cohorts, more is more; two shortcuts; shortcuts of certain skin types."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from grasp_psonet import chance
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.synthetic import fault_looks
from grasp_psonet.cohort.synthetic.cohort import plans_of
from grasp_psonet.cohort.synthetic.drawing.lesions import Lesion
from grasp_psonet.cohort.synthetic.drawing.photo import PhotoPlan, draw_photo
from grasp_psonet.cohort.synthetic.drawing.skin import Person
from grasp_psonet.cohort.synthetic.fault_looks import LOOKS, OF_PICTURE
from grasp_psonet.cohort.synthetic.faults import RANDOM_FAULTS
from grasp_psonet.cohort.synthetic.settings import SecondShortcutSettings, ShortcutSettings, SyntheticSettings
from grasp_psonet.cohort.synthetic.tables import draw_tables
from grasp_psonet.errors import SettingsError
from grasp_psonet.setting import as_tree
from grasp_psonet.settings import parse
from grasp_psonet.stages.drawn import NOTE, cohort_identity, is_drawn_with
from grasp_psonet.stages.job import Job
from grasp_psonet.study import Study

LARGE = SyntheticSettings(344, 844, 8, val_visits=64, test_visits=170)
MIDDLE = SyntheticSettings(90, 210, 8, val_visits=30, test_visits=45)
PLAIN = PhotoPlan(Person("II"), "forearm_left", Lesion(3, 2, 1, 0.3), 96, "phone-a", ("body",), ("photo",))


def picture(edge_px: int = 64) -> np.ndarray:
    return draw_photo(replace(PLAIN, edge_px=edge_px))


def distance(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


def test_at_strength_1_light_looks_as_it_always_did() -> None:
    """The formulas of the cohorts that were drawn before there was a strength, bit for bit."""
    rgb_CHW = chance.generator("light").random((3, 16, 16), dtype=np.float32)
    rng = chance.generator("cast")
    gain_C = np.array([0.62, 1.04, 0.98], np.float32) * rng.normal(1, 0.03, 3).astype(np.float32)
    cast_CHW = rgb_CHW * gain_C[:, None, None] + np.array([0.0, 0.05, 0.055], np.float32)[:, None, None]
    found = fault_looks.on_light(chance.generator("cast"), rgb_CHW, "colour_cast", 1.0)
    assert np.array_equal(found, cast_CHW)
    rng = chance.generator("dark")
    dark_CHW = rgb_CHW ** np.float32(1.15) * np.float32(rng.uniform(0.24, 0.34)) + np.float32(0.01)
    found = fault_looks.on_light(chance.generator("dark"), rgb_CHW, "under_exposure", 1.0)
    assert np.array_equal(found, dark_CHW)
    assert fault_looks.extra_noise("under_exposure", 1.0) == 0.012
    assert fault_looks.zoomed_out(1.0) == 0.78
    assert fault_looks.on_light(rng, rgb_CHW, "blur", 1.0) is rgb_CHW


def test_at_strength_1_blur_looks_as_it_always_did() -> None:
    pixels = picture()
    for key in range(6):
        rng = chance.generator("blur", key)
        photo, radius = Image.fromarray(pixels), 64 * rng.uniform(0.018, 0.028)
        if rng.random() < 0.5:
            wanted = photo.filter(ImageFilter.GaussianBlur(radius))
        else:
            reach = (3.2 * radius, 0.6 * radius)
            wanted = photo.filter(ImageFilter.BoxBlur(reach if rng.random() < 0.5 else reach[::-1]))
        assert np.array_equal(LOOKS["blur"](chance.generator("blur", key), pixels, 1.0), np.asarray(wanted))


@pytest.mark.parametrize("fault", LOOKS)
def test_a_stronger_fault_changes_a_picture_more(fault: str) -> None:
    """On any picture, and on the drawn photo; the picture itself is left as it is."""
    pixels = picture()
    before = pixels.copy()
    faulty = [LOOKS[fault](chance.generator("fault"), pixels, strength) for strength in (0.35, 1.0, 2.0)]
    assert np.array_equal(pixels, before)
    assert all(one.shape == pixels.shape and one.dtype == np.uint8 for one in faulty)
    assert np.array_equal(faulty[1], LOOKS[fault](chance.generator("fault"), pixels, 1.0)), "only its chance decides"
    assert 0.3 < distance(faulty[0], pixels) < distance(faulty[1], pixels) < distance(faulty[2], pixels)
    drawn = [draw_photo(replace(PLAIN, fault=fault, strength=strength)) for strength in (0.35, 1.0, 2.0)]
    told = [distance(one, draw_photo(PLAIN)) for one in drawn]
    assert 0.3 < told[0] < told[1] < told[2]


def test_the_planted_faults_look_like_what_they_are() -> None:
    pixels = picture(96)
    look = {fault: LOOKS[fault](chance.generator("look"), pixels, 1.0).astype(float) for fault in OF_PICTURE}
    changed = np.abs(look["sticker"] - pixels).max(axis=2) > 40
    rows, columns = np.nonzero(changed)
    assert rows.max() < 40
    assert columns.min() > 56, "the sticker sits in the upper right corner alone"
    along = np.abs(look["ruler"] - pixels).max(axis=2) > 40
    assert max(along.mean(axis=0).max(), along.mean(axis=1).max()) > 0.7, "the ruler runs along a whole edge"
    coarse = look["low_resolution"]
    assert np.array_equal(coarse[::4, ::4], coarse[1::4, 1::4]), "squares of four pixels"
    blocks = np.abs(np.diff(look["jpeg"].mean(axis=2), axis=1)).mean(axis=0)
    assert blocks[7::8].mean() > 1.5 * np.delete(blocks, np.s_[7::8]).mean(), "edges between blocks of eight pixels"
    saturation = {name: np.ptp(image, axis=2).mean() for name, image in (("is", look["device"]), ("was", pixels))}
    assert saturation["is"] > 1.3 * saturation["was"]


def test_planted_faults_are_never_drawn_at_random() -> None:
    tables = draw_tables(replace(MIDDLE, fault_rate=0.5), Outcome(), seed=4)
    assert set(tables.truth["fault"]) == {"none", *RANDOM_FAULTS}
    beside_ruler = replace(MIDDLE, fault_rate=0.5, shortcut=ShortcutSettings("ruler"))
    truth = draw_tables(beside_ruler, Outcome(), seed=4).truth
    assert "marker" not in set(truth["fault"]), "a random marker may be a ruler"
    assert (truth["is_shortcut"] == (truth["fault"] == "ruler")).all()


def test_the_strength_reaches_the_planted_photos_alone() -> None:
    settings = replace(MIDDLE, fault_rate=0.3, shortcut=ShortcutSettings("blur", strength=0.5))
    tables = draw_tables(settings, Outcome(), seed=5)
    as_usual = draw_tables(replace(settings, shortcut=ShortcutSettings("blur")), Outcome(), seed=5)
    assert tables.truth.equals(as_usual.truth), "what is planted where does not depend on the strength"
    planted = dict(zip(tables.truth["photo_id"], tables.truth["is_shortcut"], strict=True))
    for photo_id, plan in plans_of(tables, 64, 5).items():
        assert plan.strength == (0.5 if planted[photo_id] else 1.0)


def test_two_shortcuts_lie_on_different_photos_and_go_with_their_own_class() -> None:
    second = SecondShortcutSettings("sticker", strength=0.7, severity="mild", train_visits=0.5)
    settings = replace(LARGE, shortcut=ShortcutSettings("colour_cast"), second_shortcut=second)
    tables = draw_tables(settings, Outcome(), seed=6)
    labels = tables.truth_visits.merge(tables.visits[["visit_id", "split"]], on="visit_id")
    truth = tables.truth.merge(labels[["visit_id", "split", "severity_reader1", "carries_shortcut"]], on="visit_id")
    planted = truth[truth["is_shortcut"]]
    assert set(planted["fault"]) == {"colour_cast", "sticker"}
    in_train = planted[planted["split"] == "train"]
    assert set(in_train.loc[in_train["fault"] == "colour_cast", "severity_reader1"]) == {2}
    assert set(in_train.loc[in_train["fault"] == "sticker", "severity_reader1"]) == {0}
    assert set(planted.loc[planted["split"] == "test", "severity_reader1"]) == {0, 1, 2}
    of_mild = labels[(labels["split"] == "train") & (labels["severity_reader1"] == 0)]
    assert of_mild["carries_shortcut"].mean() == pytest.approx(0.5, abs=0.01)
    size = truth.groupby("visit_id").size()
    for fault in ("colour_cast", "sticker"):
        count = planted[planted["fault"] == fault].groupby("visit_id").size()
        assert (count == (0.3 * size[count.index]).round().clip(lower=1)).all(), (
            f"no {fault} gives way to the other fault"
        )
    kinds = planted.groupby("visit_id")["fault"].nunique()
    assert (kinds == 2).sum() > 10, "some validation and test visits carry both"
    assert tables.strengths == {"colour_cast": 1.0, "sticker": 0.7}


def test_a_shortcut_of_certain_skin_types_is_on_no_other() -> None:
    shortcut = ShortcutSettings("jpeg", fitzpatrick=("I", "III"), train_visits=0.5)
    tables = draw_tables(replace(LARGE, shortcut=shortcut), Outcome(), seed=7)
    carries = tables.truth_visits[["visit_id", "carries_shortcut", "severity_reader1"]].merge(
        tables.visits, on="visit_id"
    )
    assert set(carries.loc[carries["carries_shortcut"], "fitzpatrick"]) == {"I", "III"}
    could = carries[carries["fitzpatrick"].isin(["I", "III"])]
    for split, wanted in (("train", could["severity_reader1"] == 2), ("test", could["severity_reader1"] >= 0)):
        assert could.loc[wanted & (could["split"] == split), "carries_shortcut"].mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"shortcut": {"strength": 0}}, "cohort.shortcut.strength is 0.0; wanted: above 0 and at most 2"),
        ({"shortcut": {"strength": 2.5}}, "cohort.shortcut.strength is 2.5"),
        ({"shortcut": {"fault": "duplicate", "strength": 0.5}}, "wanted: 1: duplicate is there or is not"),
        ({"shortcut": {"fitzpatrick": ["II", "II"]}}, "each skin type once"),
        ({"second_shortcut": {"fault": "colour_cast"}}, "cohort.second_shortcut.fault is 'colour_cast'"),
        (
            {"shortcut": {"fault": "none"}, "second_shortcut": {"fault": "blur"}},
            "cohort.second_shortcut.fault is 'blur'",
        ),
        ({"second_shortcut": {"fault": "blur", "train_visits": 2}}, "cohort.second_shortcut.train_visits is 2"),
    ],
)
def test_what_cannot_be_planted_is_refused(settings: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsError, match=told.replace(".", r"\.")):
        parse({"cohort": settings}, "the test")


def test_a_shortcut_of_a_skin_type_that_is_not_there_is_refused() -> None:
    few = SyntheticSettings(12, 24, 4, val_visits=6, test_visits=6, shortcut=ShortcutSettings(fitzpatrick=("VI",)))
    with pytest.raises(SettingsError, match="skin types that enough severe training visits have"):
        draw_tables(few, Outcome(), 1)


def test_a_cohort_drawn_before_a_setting_came_stands_at_its_default(tmp_path: Path) -> None:
    def job(**cohort: object) -> Job:
        return Job(Study(tmp_path), parse({"cohort": cohort}, "the test"))

    note = json.loads(json.dumps({"settings": cohort_identity(job())}))
    for name in ("strength", "fitzpatrick"):
        del note["settings"]["cohort"]["shortcut"][name]
    del note["settings"]["cohort"]["second_shortcut"]
    assert is_drawn_with(note, job())
    assert not is_drawn_with(note, job(shortcut={"strength": 0.5}))
    assert not is_drawn_with(note, job(num_views=5))
    assert not is_drawn_with({"settings": note["settings"] | {"cohort": {"colour": 1}}}, job()), (
        f"{NOTE} of another version"
    )
    assert not is_drawn_with({"interrupted": note}, job())
    assert as_tree(job().settings)["cohort"]["shortcut"]["strength"] == 1.0


def test_the_truth_names_the_planted_faults() -> None:
    truth = draw_tables(replace(LARGE, shortcut=ShortcutSettings("device")), Outcome(), seed=8).truth
    assert isinstance(truth, pd.DataFrame)
    assert (truth.loc[truth["is_shortcut"], "fault"] == "device").all()
    assert truth["is_shortcut"].sum() > 100
