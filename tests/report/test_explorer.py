"""The list of all photos: within its bound, what the page holds is what results.json holds, and nothing ends it early."""

import dataclasses
import html as html_text
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grasp_psonet.errors import SettingsError
from grasp_psonet.report.explorer import AllPhotos, coded, largest_edge, rounded, sample_of
from grasp_psonet.report.page import render
from grasp_psonet.report.results import results
from grasp_psonet.report.settings import ReportSettings
from grasp_psonet.report.sprites import sprites_of
from tests.report.fake import fake_report


def noise(count: int, edge_px: int = 48) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (edge_px, edge_px, 3), dtype=np.uint8) for _ in range(count)]


def photos(count: int = 23, first: str = "p-0") -> AllPhotos:
    ids = (first, *(f"p-{number}" for number in range(1, count)))
    return AllPhotos(
        photo_ids=ids,
        visits=coded(f"v-{number // 4}" for number in range(count)),
        words={"label": coded((("severe", "mild", None)[number % 3] for number in range(count)), ("mild", "severe"))},
        numbers={"score": rounded(None if number % 5 == 0 else -1.23456789e-5 * number for number in range(count))},
        pictures=sprites_of([(("photo", one), pixels) for one, pixels in zip(ids[2:], noise(count), strict=False)], 24),
    )


def data_of(page: str) -> dict:
    (text,) = re.findall(r'<script type="application/json" id="photos-data">(.*?)</script>', page, flags=re.DOTALL)
    return json.loads(text)


def test_the_list_on_the_page_is_that_of_results() -> None:
    report = dataclasses.replace(fake_report(), photos=photos())
    told = json.loads(json.dumps(results(report), allow_nan=False))["photos"]
    shown = data_of(render(report))
    pictures = shown.pop("pictures")
    assert told.pop("why_no_pictures") == shown.pop("why_no_pictures") == ""
    assert shown == told
    assert told["words"]["label"] == {"words": ["mild", "severe"], "codes": [(1, 0, None)[n % 3] for n in range(23)]}
    assert told["numbers"]["score"][:3] == [None, -1.2346e-05, -2.4691e-05]
    assert pictures["at"] == [None, None, *range(21)]
    assert pictures["rows"] == [3]


@pytest.mark.parametrize("text", ["</script><script>alert(1)</script>", "<!--", "a&b\u2028\"'"])
def test_no_word_of_the_list_ends_it(text: str) -> None:
    page = render(dataclasses.replace(fake_report(), photos=photos(first=text)))
    assert data_of(page)["photo_ids"][0] == text
    assert len(re.findall(r"<script", page)) == 4, "the page's own, the columns, one sheet, the runs compared"


def test_thumbnails_shrink_until_they_fit() -> None:
    sample = noise(20)
    edges = [largest_edge(sample, 2000, most, 48) for most in (1e9, 5.0e6, 2.5e6, 1.5e6, 1e5)]
    assert edges[0] == 48, "never larger than the photos"
    assert edges == [*sorted(edges[:-1], reverse=True), None]
    assert len(set(edges)) >= 4
    for edge, most in zip(edges[1:4], (5.0e6, 2.5e6, 1.5e6), strict=True):
        whole = sprites_of(((("photo", str(n)), one) for n, one in enumerate(sample * 100)), edge)
        assert sum(map(len, whole.sheets)) * 4 / 3 < 1.05 * most
    assert largest_edge([], 0, 1e6, 48) is None
    assert sample_of(3) == [0, 1, 2]
    assert len(sample_of(38_824)) == 100
    assert sample_of(0) == []


def test_thumbnails_beside_the_page_are_named_and_allowed() -> None:
    page = render(dataclasses.replace(fake_report(), photos=dataclasses.replace(photos(), is_beside=True)))
    assert html_text.unescape(page).count("img-src data: 'self' file:;") == 1
    assert '<script type="text/plain" id="photos-sheet-0">photos/sheet-000.jpg</script>' in page
    assert "img-src data:;" in html_text.unescape(render(dataclasses.replace(fake_report(), photos=photos())))


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_bound_that_is_none_is_refused(value: float) -> None:
    with pytest.raises(SettingsError, match=r"report\.most_mb"):
        ReportSettings(most_mb=value)


@pytest.mark.process
def test_every_photo_of_the_study_is_listed_with_what_the_tables_say(tiny_demo: Path) -> None:
    told = json.loads((tiny_demo / "report/results.json").read_text(encoding="utf-8"))
    listed = told["photos"]
    photos_table = pd.read_csv(tiny_demo / "photos.csv", dtype=str)
    visits = pd.read_csv(tiny_demo / "visits.csv", dtype=str).set_index("visit_id")
    scores = pd.read_parquet(tiny_demo / "traces/cosine/scores.parquet").set_index("photo_id")["score"]
    attention = pd.read_parquet(tiny_demo / "runs/baseline/attention.parquet").set_index("photo_id")["attention"]
    assert listed["photo_ids"] == photos_table["photo_id"].tolist()
    words = {
        name: [None if code is None else column["words"][code] for code in column["codes"]]
        for name, column in (listed["words"] | {"visit": listed["visits"]}).items()
    }
    assert words["visit"] == photos_table["visit_id"].tolist()
    assert words["view"] == photos_table["view"].tolist()
    assert words["device"] == visits.loc[photos_table["visit_id"], "device"].tolist()
    assert words["fitzpatrick"] == visits.loc[photos_table["visit_id"], "fitzpatrick"].tolist()
    assert "reader1_id" not in words
    scored = 0
    for photo_id, score, weight in zip(
        listed["photo_ids"], listed["numbers"]["score"], listed["numbers"]["attention"], strict=True
    ):
        assert (score is None) == (photo_id not in scores.index)
        if score is not None:
            assert score == pytest.approx(scores[photo_id], rel=1e-4)
            scored += score != 0
        assert weight == pytest.approx(attention[photo_id], rel=1e-4)
    assert scored > 10
    if told["chosen"] != "baseline":
        keep = pd.read_parquet(tiny_demo / f"prunings/{told['chosen']}/keep.parquet").set_index("photo_id")["kept"]
        assert [one for one in words["removed"] if one is not None] == ["no" if keep[i] else "yes" for i in keep.index]
