"""The figures of the audit benchmark, from every table that stands."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd

from benchmarks.audit.figures import Table, best_rival, calibration, means, paired, paired_by_patient, rows_of

MAIN = "efficientnet_lite0"  # the packaged encoder: what the figures without an encoder's name are of
RIVALS = ("class_only", "cutoff_nearness", "self_confidence")
_FIGURES = ("found_at_30", "auroc")


def summarise(tables: Sequence[Table], ranking: str) -> dict[str, Any]:
    """Every figure; what no table stands for is None. ``ranking``: the one that is compared with the others."""
    main = MAIN if any(table.about["encoder"] == MAIN for table in tables) else "demo_convnext"
    drawn = [table for table in tables if table.about["part"] == "drawn"]
    of_main = [table for table in drawn if table.about["encoder"] == main]
    found: dict[str, Any] = {
        "ranking": ranking,
        "seeds": sorted({int(table.about["seed"]) for table in drawn}),
        "cohorts": dict(Counter(f"{table.about['part']}, {table.about['encoder']}" for table in tables)),
    }
    found |= _drawn_figures(of_main, ranking) if of_main else {}
    trained = [t for t in tables if t.about["part"] == "trained" and t.about["encoder"] == main]
    found["paper_at_30"] = _value(trained, "largest", "disagreements", "found_at_30")
    found |= _study_figures([t for t in tables if t.about["part"] == "study"], ranking)
    trained_by: dict[str, list[Table]] = {}
    for table in tables:
        part, of_study = table.about["part"], table.about["part"].startswith("study")
        if part not in ("drawn", "study"):
            trained_by.setdefault(f"{part}, {table.about['cohort' if of_study else 'encoder']}", []).append(table)
    found["trained"] = {name: _trained_figures(some, ranking) for name, some in trained_by.items()}
    heads = [t for t in tables if t.about["part"] == "head folds"]
    found["heads_minus_probe"] = _heads_minus_probe(heads, of_main, ranking) if heads else {}
    found["by_encoder"] = {
        encoder: _rankings([t for t in drawn if t.about["encoder"] == encoder])
        for encoder in dict.fromkeys(t.about["encoder"] for t in drawn)
    }
    return found


def _rows(tables: Sequence[Table]) -> pd.DataFrame:
    return pd.DataFrame([row for table in tables for row in rows_of(table)])


def _rankings(tables: Sequence[Table]) -> dict[str, Any]:
    """By target the mean figures of every ranking."""
    rows = _rows(tables)
    return {target: means(rows, target).round(4).to_dict("index") for target in rows["target"].unique()}


def _value(tables: Sequence[Table], ranking: str, target: str, figure: str) -> float | None:
    table = means(_rows(tables), target) if tables else pd.DataFrame()
    return _at(table, ranking, figure)


def _at(table: pd.DataFrame, ranking: str, figure: str) -> float | None:
    """One figure of a ranking; None where it has none."""
    return float(table[figure].to_dict()[ranking]) if ranking in table.index else None


def _drawn_figures(tables: Sequence[Table], ranking: str) -> dict[str, Any]:
    rows = _rows(tables)
    own = {target: means(rows, target) for target in rows["target"].unique()}
    rival = best_rival(rows)
    disagreements = means(rows, "disagreements")
    rivals = dict.fromkeys([rival, best_rival(rows, figure="auroc"), *RIVALS])
    return {
        "gross_errors_found_at_30": _at(own["class_changing"], ranking, "found_at_30"),
        "gross_errors_of_any_size_found_at_30": _at(own["gross_errors"], ranking, "found_at_30"),
        "gross_errors_found_at_30_by_rate": {
            f"{rate:g}": _at(means(of_rate, "class_changing"), ranking, "found_at_30")
            for rate, of_rate in rows.groupby("gross_errors")
            if ranking in means(of_rate, "class_changing").index
        },
        "disagreements_found_at_30": _at(own["disagreements"], ranking, "found_at_30"),
        "disagreements_auroc": _at(own["disagreements"], ranking, "auroc"),
        "disagreements_within_class_at_30": _at(own["disagreements"], ranking, "within_class_at_30"),
        "disagreements_within_class_auroc": _at(own["disagreements"], ranking, "within_class_auroc"),
        "best_rival": rival,
        "best_rival_at_30": _at(disagreements, rival, "found_at_30"),
        "class_only_at_30": _at(disagreements, "class_only", "found_at_30"),
        "minus_rivals": {
            f"{target}, {figure}": {name: paired(rows, ranking, name, target, figure) for name in rivals}
            for target in ("disagreements", "class_changing")
            for figure in _FIGURES
        },
        "by_shortcut": {
            "with" if has else "without": means(of_kind, "disagreements").loc[ranking].round(4).to_dict()
            for has, of_kind in rows.groupby("shortcut")
        },
        **calibration(tables),
    }


def _trained_figures(tables: Sequence[Table], ranking: str) -> dict[str, Any]:
    """All rankings where a network was trained too, and ours against the paper's and the best other on the same cohorts."""
    rows, target = _rows(tables), "class_changing" if tables[0].about["cohort"].startswith("flips") else "disagreements"
    rival = best_rival(rows, target)
    against, leads = (
        {figure: paired(rows, ranking, other, target, figure) for figure in _FIGURES} for other in ("largest", rival)
    )
    return {
        "seeds": sorted({t.about["seed"] for t in tables}),
        "rankings": _rankings(tables),
        "minus_largest": against,
        "best_rival": rival,
        "minus_best_rival": leads,
    }


def _heads_minus_probe(heads: Sequence[Table], probes: Sequence[Table], ranking: str) -> dict[str, Any]:
    """The ranking by heads trained in the folds against that by the probe, on the same cohorts."""
    both = pd.concat([_rows(heads).replace({"ranking": {ranking: "by heads"}}), _rows(probes)], ignore_index=True)
    return {
        f"{target}, {figure}": paired(both, "by heads", ranking, target, figure)
        for target in ("disagreements", "class_changing")
        for figure in _FIGURES
    }


def _study_figures(tables: Sequence[Table], ranking: str) -> dict[str, Any]:
    """Of the study as read and of its flipped copies, over the reported patients; empty keys where no study was given."""
    by_cohort: dict[str, list[Table]] = {}
    for table in tables:
        by_cohort.setdefault(table.about["cohort"], []).append(table)
    found: dict[str, Any] = {"flips_found_at_30_real": None, "disagreements_auroc_real": None}
    if not tables:
        return found | {"study": "skipped: no study was given"}
    if as_read := by_cohort.get("as read"):
        rival = best_rival(_rows(as_read))
        found |= {
            "disagreements_found_at_30_real": _value(as_read, ranking, "disagreements", "found_at_30"),
            "disagreements_auroc_real": _value(as_read, ranking, "disagreements", "auroc"),
            "best_rival_real": rival,
            "visits_real": len(as_read[0].reported),
            "minus_rivals_real": _minus(as_read, ranking, (rival, *RIVALS), "differs"),
            "calibration_real": calibration(as_read),
            "rankings_real": _rankings(as_read)["disagreements"],
        }
    for kind, key in (("classes", "flips"), ("scores", "flips_with_scores")):
        if copies := by_cohort.get(f"flips, {kind}"):
            rival = best_rival(_rows(copies), "class_changing")
            found |= {
                f"{key}_found_at_30_real": _value(copies, ranking, "class_changing", "found_at_30"),
                f"{key}_auroc_real": _value(copies, ranking, "class_changing", "auroc"),
                f"best_rival_of_{key}_real": rival,
                f"minus_rivals_of_{key}_real": _minus(copies, ranking, (rival, *RIVALS), "is_wrong"),
                f"rankings_of_{key}_real": _rankings(copies)["class_changing"],
            }
    return found


def _minus(tables: Sequence[Table], ranking: str, rivals: Sequence[str], column: str) -> dict[str, Any]:
    have = [name for name in dict.fromkeys(rivals) if name in tables[0].rows]
    return {
        figure: {name: paired_by_patient(tables, ranking, name, column, figure) for name in have} for figure in _FIGURES
    }
