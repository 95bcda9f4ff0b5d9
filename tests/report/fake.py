"""A made-up report with every part filled, in the sizes of the demo cohort. Nothing in it was measured."""

import io
from dataclasses import replace
from itertools import combinations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from grasp_psonet.report.compared import Compared, ComparedPair, ComparedRun
from grasp_psonet.report.curves import TrainingCurve
from grasp_psonet.report.data import (
    Arm,
    Audit,
    Confusion,
    Estimate,
    Making,
    Maps,
    MapShare,
    MapTest,
    PlantedFault,
    Ranking,
    ReaderFigures,
    RemovalRate,
    ReportData,
    ReviewVisit,
    SplitCounts,
    Subgroup,
)
from grasp_psonet.report.diagnosed import Diagnosis, SharedTrait, ShownPhoto
from grasp_psonet.report.made import Clock, StageTime
from grasp_psonet.report.pictured import ErrorVisit, FlaggedPhoto, ShownMap
from grasp_psonet.report.reread import (
    AgainstAdjudicated,
    AllReaders,
    ReaderBias,
    ReaderPair,
    Reading,
    RevisionRun,
    RevisionShown,
)
from tests.report.fake_traced import traced

TRAIN_PHOTOS = 2640
ARMS = (  # name, kind, k, removed, validation AUC, then per reader kappa and AUC
    ("baseline", "baseline", 0, 0, 0.784, (0.531, 0.812), (0.563, 0.823)),
    ("cosine-k10", "pruned", 10, 79, 0.806, (0.552, 0.829), (0.549, 0.831)),
    ("cosine-k10-random", "random", 10, 79, 0.779, (0.526, 0.807), (0.551, 0.818)),
    ("cosine-k30", "pruned", 30, 212, 0.871, (0.622, 0.863), (0.584, 0.851)),
    ("cosine-k30-random", "random", 30, 212, 0.781, (0.519, 0.801), (0.548, 0.815)),
    ("cosine-k30-loss", "loss", 30, 212, 0.775, (0.508, 0.797), (0.534, 0.806)),
    ("cosine-k60", "pruned", 60, 371, 0.802, (0.491, 0.806), (0.462, 0.798)),
    ("cosine-k60-random", "random", 60, 371, 0.769, (0.502, 0.794), (0.531, 0.803)),
)


def around(value: float, half: float) -> Estimate:
    return Estimate(value, value - half, min(1.0, value + 0.8 * half))


def arm(name, kind, k, removed, val_auc, *readers) -> Arm:
    base = ARMS[0][5:]
    figures = tuple(
        ReaderFigures(
            {"kappa": around(kappa, 0.092), "auc": around(auc, 0.049)},
            {}
            if kind == "baseline"
            else {"kappa": around(kappa - base[i][0], 0.051), "auc": around(auc - base[i][1], 0.031)},
        )
        for i, (kappa, auc) in enumerate(readers)
    )
    return Arm(name, kind, k, removed, val_auc, figures, most_possible=9 * k)


def skin(seed: int, hot: bool = False) -> bytes:
    """A drawn patch of skin with plaques; ``hot`` lays a yellow spot on it, as a map would."""
    rng = np.random.default_rng(seed)
    tone = np.array([[226, 186, 164], [201, 152, 122], [150, 103, 76], [96, 64, 50]][seed % 4])
    image = Image.new("RGB", (160, 160), tuple(int(v) for v in tone))
    draw = ImageDraw.Draw(image)
    for _ in range(4 + seed % 5):
        x, y, w, h = rng.integers(0, 140), rng.integers(0, 140), rng.integers(14, 50), rng.integers(10, 36)
        draw.ellipse([x, y, x + w, y + h], fill=tuple(int(v) for v in tone * [0.92, 0.62, 0.6]))
    image = image.filter(ImageFilter.GaussianBlur(2))
    if seed % 3 == 0:
        image = Image.blend(image, Image.new("RGB", image.size, (60, 110, 190)), 0.25)
    if hot:
        spot = Image.new("L", image.size, 0)
        ImageDraw.Draw(spot).ellipse([80, 10, 150, 80], fill=180)
        image.paste((253, 231, 37), mask=spot.filter(ImageFilter.GaussianBlur(16)))
    written = io.BytesIO()
    image.save(written, format="PNG" if hot else "JPEG")
    return written.getvalue()


def rankings() -> tuple[Ranking, ...]:
    inspected = tuple(float(x) for x in np.linspace(0, 1, 41))
    strengths = {
        "visit loss": 7.0,
        "self-influence, largest": 4.0,
        "margin": 6.0,
        "mean self-influence": 3.0,
        "random": 0.0,
    }
    made = []
    for name, strength in strengths.items():
        found = [x if strength == 0 else (1 - np.exp(-strength * x)) / (1 - np.exp(-strength)) for x in inspected]
        at = float(np.interp(0.3, inspected, found))
        estimates = [Estimate(v, max(0, v - 0.13), min(1, v + 0.1)) for v in (at, (1 + at) / 2, at * 0.7)]
        made.append(Ranking(name, inspected, tuple(map(float, found)), *estimates))
    return tuple(made)


def flagged() -> tuple[FlaggedPhoto, ...]:
    faults = ("colour cast", "none", "blur", "ruler", "colour cast", "textured background")
    views = ("trunk front", "left leg back", None, "right arm", "head", "trunk back")
    return tuple(
        FlaggedPhoto(
            f"p-{4071 + 13 * i}", f"v-{31 + i:04d}", skin(i), None if i == 4 else skin(i, hot=True),
            None if i == 4 else 0.0 if i == 2 else 0.31, -3.21e-5 / (1 + i), 0.19 - 0.02 * i, views[i], i % 3, 7 - i, faults[i],
            further=(ShownMap("cosine-k30", "gradcam", *((None, None) if i == 4 else (skin(i + 1, hot=True), 0.27)), 0.4),),
        )
        for i in range(6)
    )  # fmt: skip


def errors() -> tuple[ErrorVisit, ...]:
    doubts = ((), ("readers disagree",), ("near a cut-off",), ("readers disagree", "near a cut-off"))
    return tuple(
        ErrorVisit(
            f"v-{311 + i}", f"p-{9120 + i}", skin(20 + i), skin(20 + i, hot=True), 0.2, i % 3, (i + 1) % 3,
            None if i == 3 else 4.2 + 2.6 * i, 0.41 - 0.05 * i, doubts[i], i != 3,
            further=(ShownMap("cosine-k30", "gradcam", skin(21 + i, hot=True), 0.0 if i == 1 else 0.2),),
        )
        for i in range(4)
    )  # fmt: skip


def maps() -> Maps:
    shares = tuple(
        MapShare(
            reason,
            "gradcam",
            on,
            6,
            Estimate(area),
            around(base, 0.08),
            around(base + change, 0.08),
            around(change, 0.06),
        )
        for reason, on, area, base, change in (
            ("flagged", "plaque", 0.21, 0.24, 0.13),
            ("flagged", "background", 0.38, 0.41, -0.16),
            ("error", "plaque", 0.19, 0.22, 0.05),
            ("error", "background", 0.36, 0.35, -0.02),
        )
    )
    tests = (
        MapTest("baseline", "gradcam", 9, around(0.31, 0.12), around(0.04, 0.11)),
        MapTest("cosine-k30", "gradcam", 9, around(0.42, 0.14), around(-0.3, 0.1)),
    )
    return Maps(("gradcam",), shares, tests)


def subgroups() -> tuple[Subgroup, ...]:
    rows = (
        ("fitzpatrick", "I-III", 144, 58, (0.803, 0.05), (0.861, 0.045)),
        ("fitzpatrick", "IV-VI", 26, 11, (0.826, 0.11), (0.852, 0.1)),
        ("fitzpatrick type", "I", 31, 12, (0.817, 0.09), (0.868, 0.08)),
        ("fitzpatrick type", "II", 78, 31, (0.804, 0.06), (0.859, 0.055)),
        ("fitzpatrick type", "V", 7, 3, None, None),
        ("site", "Davos", 14, 6, (0.643, 0.22), (0.714, 0.2)),
        ("site", "Basel", 61, 24, (0.792, 0.07), (0.849, 0.06)),
    )
    absent = Estimate(None, why_not="no severe visit")
    return tuple(
        Subgroup(
            column,
            group,
            "Reader 1",
            visits,
            patients,
            "accuracy" if group == "Davos" else "auc",
            *[around(*e) if e else absent for e in pair],
        )
        for column, group, visits, patients, *pair in rows
    )


def removal() -> tuple[RemovalRate, ...]:
    rows = (("class", "mild", 61, 980), ("class", "moderate", 58, 910), ("class", "severe", 93, 750),
            ("fitzpatrick", "I-III", 178, 2210), ("fitzpatrick", "IV-VI", 34, 430),
            ("view", "trunk front", 74, 660), ("view", "left leg back", 49, 660), ("view", "head", 89, 1320))  # fmt: skip
    warning = (
        "class severe loses 93 of 750 training photos (12.4 %), 2.0 times the share of the rest (interval 1.3 to 3.1)"
    )
    found = []
    for column, group, removed, photos in rows:
        share, rest = removed / photos, (212 - removed) / (TRAIN_PHOTOS - photos)
        ratio = Estimate(share / rest, 0.7 * share / rest, 1.5 * share / rest)
        around_share = Estimate(share, 0.8 * share, 1.2 * share)
        told = warning if group == "severe" else ""
        found.append(RemovalRate(column, group, removed, photos, around_share, ratio, removed / 212, told))
    return tuple(found)


def curves() -> tuple[TrainingCurve, ...]:
    return tuple(
        TrainingCurve(
            row[0],
            tuple(range(1, 7)),
            tuple(1.1 / (1 + 0.3 * e) + 0.01 * i for e in range(6)),
            tuple(1.2 / (1 + 0.2 * e) + 0.02 * i for e in range(6)),
            tuple(None if i == 6 else row[4] - 0.02 * abs(3 - e) for e in range(6)),
            None if i == 7 else 4,
            (1, 3, 6) if i == 0 else (4,),
        )
        for i, row in enumerate(ARMS)
    )


def compared() -> Compared:
    """Each run answers as Reader 1 but for some visits, and was trained without some of nine photos."""
    right = tuple(float(i % 3) for i in range(12))
    said = {
        row[0]: tuple((x + 1) % 3 if (i + n) % (4 + n) == 0 else x for i, x in enumerate(right))
        for n, row in enumerate(ARMS)
    }
    without = {row[0]: tuple(range(n, 9, 2)) if row[3] else () for n, row in enumerate(ARMS)}
    pairs = [
        ComparedPair(
            run, before,
            tuple({"kappa": around(0.01 * (a - b), 0.05), "auc": around(0.125 * (a - b), 0.03)} for _ in (0, 1)),
            sum(x != y for x, y in zip(said[before], said[run], strict=True)),
            len({*without[run]} - {*without[before]}), len({*without[before]} - {*without[run]}),
            len({*without[run]} & {*without[before]}),
        )
        for (b, before), (a, run) in combinations(enumerate(said), 2)
    ]  # fmt: skip
    runs = tuple(ComparedRun(name, said[name], without[name]) for name in said)
    second = (None, *right[1:])
    ids = tuple(f"v-{500 + i}" for i in range(12)), tuple(f"p-{4000 + i}" for i in range(9))
    return Compared(ids[0], (right, second), ids[1], runs, tuple(pairs))


def diagnosis() -> Diagnosis:
    shown = tuple(
        ShownPhoto(f"p-{5000 + i}", f"v-{90 + i:04d}", skin(40 + i), f"p-{4999 + i}" if i % 2 else None)
        for i in range(4)
    )
    first = SharedTrait(
        words="Flagged photos are 4.6 times as often greenish.",
        strength="likely",
        kind="measure",
        trait="cast_red_green",
        value="low",
        num_flagged=31,
        num_patients=14,
        share=0.62,
        expected_share=0.13,
        ratio=4.6,
        odds_ratio=11.2,
        standardised_difference=-1.31,
        p_corrected=0.0004,
        class_name="severe",
        class_share_train=0.24,
        other_share_train=0.01,
        class_share_val=0.14,
        other_share_val=0.15,
        photos=shown,
    )
    none = {"odds_ratio": None, "standardised_difference": None, "class_share_val": None, "other_share_val": None}
    second = replace(
        first, words="", strength="none found", kind="column", trait="device", value="b", photos=(), **none
    )
    told = ("Trace: 41 of 2640 training photos stand out.", "Labels: 7 % are expected to be wrong.")
    return Diagnosis(
        "shortcut", "a shortcut: the flagged photos share a pattern", told, "likely", 50, 67, (first, second)
    )


def reading() -> Reading:
    def of_reader(level: float, change: float | None) -> ReaderFigures:
        figures = {
            "kappa": Estimate(level, level - 0.1, level + 0.1),
            "auc": Estimate(level + 0.2, level + 0.1, level + 0.3),
        }
        changes = {} if change is None else {name: Estimate(change, change - 0.03, change + 0.03) for name in figures}
        return ReaderFigures(figures, changes)

    runs = tuple(
        RevisionRun(name, kind, tuple(of_reader(level - 0.02 * reader, change) for reader in (0, 1)))
        for name, kind, level, change in (
            ("baseline", "kept", 0.61, 0.05),
            ("cosine-k30", "removed", 0.63, 0.03),
            ("revised-second", "reread", 0.66, None),
        )
    )
    of_two = {"kappa": Estimate(0.71, 0.6, 0.8), "agreement": Estimate(0.8, 0.7, 0.9)}
    one_class = {"kappa": Estimate(None, why_not="both gave one class"), "agreement": Estimate(1.0)}
    pairs = (
        ReaderPair("ana", "bo", 41, of_two, Estimate(0.9, 0.8, 0.95)),
        ReaderPair("ana", "cy", 7, one_class, None),
    )
    biases = (ReaderBias("ana", 48, Estimate(0.42, -0.1, 0.9)), ReaderBias("bo", 41, Estimate(-0.4)))
    icc = Estimate(None, why_not="no visit was scored by all 3 readers")
    together = (Estimate(0.77, 0.7, 0.84), Estimate(0.81, 0.75, 0.86), icc)
    shown = RevisionShown("second", 33, 12, 4, "spring", "dee, eve", runs)
    again = (ReaderPair("rita", "rita", 5, of_two, None),)
    settled = tuple(AgainstAdjudicated(run.name, 39, run.figures[0].figures) for run in runs)
    return Reading(AllReaders(3, pairs, biases, *together, is_scored=True), (shown,), again, settled)


def fake_report() -> ReportData:
    counts = {"baseline": ((41, 12, 3), (14, 38, 11), (2, 13, 36)), "cosine-k30": ((46, 9, 1), (10, 44, 9), (1, 9, 41))}
    review = tuple(
        ReviewVisit(
            f"v-{77 + 9 * i:04d}", 0.0093 / (1 + i), i % 3, None if i == 5 else (i + (i % 2)) % 3,
            4.6 + 1.7 * i, None if i == 5 else 5.1 + 1.9 * i, 0.4 + 0.3 * i,
        )
        for i in range(8)
    )  # fmt: skip
    return ReportData(
        study="Demo study",
        is_synthetic=True,
        encoder="demo_convnext",
        formula="cosine",
        confidence=0.95,
        readers=("Reader 1", "Reader 2"),
        splits=(
            SplitCounts("train", 220, 90, 2640, (81, 76, 63), 62, 10),
            SplitCounts("val", 64, 26, 768, (24, 22, 18), 20, 3),
            SplitCounts("test", 170, 69, 2040, (56, 63, 51), 170, 27),
        ),
        train_photos=TRAIN_PHOTOS,
        num_queries=9,
        arms=tuple(arm(*row) for row in ARMS),
        chosen="cosine-k30",
        making=Making(
            command="grasp run demo",
            settings=(("train.optimizer.lr", "0.0003"), ("trace.formula", "cosine"), ("prune.k", "[10, 30, 60]")),
            versions=(("python", "3.12.8"), ("torch", "2.11.0"), ("timm", "1.0.20")),
            seeds=(("training", 0), ("cohort", 0)),
            limits=("One training seed.",),
            warnings=("Type VI has no test visit.",),
        ),
        against_random=(Estimate(0.062, 0.021, 0.098), Estimate(0.036, -0.004, 0.071)),
        ceiling=Estimate(0.78, 0.71, 0.84),
        confusions=tuple(Confusion(name, reader, counts[name]) for reader in ("Reader 1", "Reader 2") for name in counts),
        flagged=flagged(),
        removal=removal(),
        removal_warnings={
            "cosine-k10": ("71 of the 79 removed photos (90 %) are severe",),
            "cosine-k30": tuple(rate.warning for rate in removal() if rate.warning),
        },
        errors=errors(),
        maps=maps(),
        audit=Audit("visit loss", 220, 62, 10, 0.3, review, rankings()),
        subgroups=subgroups(),
        diagnosis=diagnosis(),
        reading=reading(),
        traced=traced(),
        curves=curves(),
        compared=compared(),
        clock=Clock(
            "2026-03-31 09:30 UTC",
            (("device", "cpu"), ("processor", "x86_64"), ("threads", "1")),
            (StageTime("prepare", 4.2), StageTime("train", 4800.0), StageTime("audit", None)),
        ),
        truth=(PlantedFault("colour cast (shortcut)", 240, 141, 19), PlantedFault("blur", 66, 12, 6),
               PlantedFault("ruler or marker", 71, 9, 5)),
    )  # fmt: skip
