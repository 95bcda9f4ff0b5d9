"""The card of an exported network: what it learned from, how good it is, what it must not be used for."""

from dataclasses import asdict
from typing import Any

from grasp_psonet.errors import GraspError
from grasp_psonet.evidence.figures import figures_of
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.proof import is_complete, proven
from grasp_psonet.stage import versions
from grasp_psonet.stages.export.exchange import ONNX_FILE, TOLERANCE, TORCH_FILE, output_names
from grasp_psonet.stages.new_visits.calibrated import calibration_of
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.tables.columns import (
    FITZPATRICK,
    GROUP_COLUMN,
    HIGH,
    LOW,
    METRIC,
    NUM_VISITS,
    PATIENT_ID,
    READER,
    RUN,
    SPLIT,
    VALUE,
    VISIT_ID,
)
from grasp_psonet.tables.schemas.evaluation import FIGURES

_SPLITS = ("train", "val", "test")
_FITS = {
    "resize": "the whole photo resized to this square",
    "crop": "the largest square from the middle resized to this one",
    "pad": "the whole photo in its shape resized into this square, filled up with black",
}


def card_of(
    run: TrainedRun, network: BagNetwork, photo_shape: tuple[int, ...], num_photos: list[int], largest: dict[str, float]
) -> dict[str, Any]:
    """Everything on the card, as plain values. ``num_photos``: of the visits compared; ``largest``: difference by file."""
    encoder = run.metrics["encoder"]
    return {
        "run": run.name,
        "classes": list(run.outcome.strata),
        "score": run.outcome.score_word,
        "encoder": {name: encoder.get(name) for name in ("name", "source", "licence", "mean", "std")},
        "photo_shape": list(photo_shape),
        "fit": run.settings.fit,
        "outputs": list(output_names(network)),
        "kept_epoch": run.metrics["kept_epoch"],
        "num_parameters": run.metrics["num_parameters"],
        "data": _data(run),
        "figures": _figures(run),
        "calibration": asdict(calibration_of(run)),
        "comparison": {"tolerance": TOLERANCE, "num_photos": num_photos, "largest": largest},
        "versions": versions(),
    }


def _data(run: TrainedRun) -> dict[str, Any]:
    """Counts per split: patients, visits, photos, visits of each class, and of each skin type where it is told."""
    visits, index, told = run.cohort.visits, run.inputs.index, {}
    for split in _SPLITS:
        own = visits[visits[SPLIT] == split]
        strata = own[run.outcome.label_column].map(run.outcome.stratum_of)
        photos = index[index[VISIT_ID].isin(own[VISIT_ID])]
        types: dict[Any, int] = (
            own[FITZPATRICK].dropna().value_counts().sort_index().to_dict() if FITZPATRICK in own else {}
        )
        told[split] = {
            "patients": int(own[PATIENT_ID].nunique()),
            "visits": len(own),
            "photos": len(photos),
            "visits_by_class": {name: int((strata == i).sum()) for i, name in enumerate(run.outcome.strata)},
            "visits_by_skin_type": {str(name): int(count) for name, count in types.items()},
        }
    told["train"]["photos_removed"] = len(run.inputs.removed)
    return told


def _figures(run: TrainedRun) -> list[dict[str, Any]]:
    """Test figures of the run against each reader, overall and in groups; empty before the evaluation, or where it is of other
    keep lists."""
    folder = run.job.study.evaluation
    if not is_complete(folder):
        return []
    try:
        table = FIGURES.read(proven(folder) / "figures.parquet")
    except GraspError:
        return []
    own = table[(table[RUN] == run.name) & table[VALUE].notna()]
    columns = [READER, GROUP_COLUMN, "group", METRIC, VALUE, LOW, HIGH, NUM_VISITS]
    return [
        {str(name): None if value != value else value for name, value in row.items()}
        for row in own[columns].to_dict("records")
    ]


def card_page(card: dict[str, Any], run: TrainedRun) -> str:
    """The card in Markdown."""
    of_photos = len(card["photo_shape"]) == 3
    parts = [
        f"# Card of run {card['run']}",
        "A network that tells the severity of a visit from its photos, exported for research. It is no medical device and "
        "gives no diagnosis.",
        "## Files\n\n"
        f"- `{ONNX_FILE}`: ONNX, for onnxruntime and others\n- `{TORCH_FILE}`: torch.export, read by `torch.export.load`\n"
        "- `card.json`: the numbers of this page",
        _contract(card, of_photos),
        _learned(card),
        _quality(card, run),
        _calibration(card),
        _limits(card, of_photos),
        _proof(card),
    ]
    return "\n\n".join(parts) + "\n"


def _contract(card: dict[str, Any], of_photos: bool) -> str:
    shape = ", ".join(str(length) for length in card["photo_shape"])
    names = {
        "logits": f"`logits` [visits, {len(card['classes'])}]: classes in the order {', '.join(card['classes'])}",
        "outputs": "`outputs` [visits, 1]: what the network says, in units",
        "points": f"`points` [visits, 1]: the {card['score']} in points, held within its range",
        "attention": "`attention` [visits, photos]: share of each photo in the answer; 0 on padding",
        "probabilities": "`probabilities` [visits, classes]: softmax of the logits, not calibrated",
    }
    made = (
        f"Photos: turned upright, {_FITS[card['fit']]} (antialiased, bicubic), sRGB, values divided by 255. The network itself "
        "subtracts mean and divides by standard deviation."
        if of_photos
        else "Vectors: as the study's files hold them."
    )
    given = (
        f"- `photos` [visits, photos, {shape}] float32\n"
        "- `is_photo` [visits, photos] bool: false on padding, whose content does not matter; at least one true in each "
        "visit, else its answer is NaN"
    )
    told = "\n".join(f"- {names[name]}" for name in card["outputs"])
    return f"## In and out\n\nAny number of visits, of any number of photos each.\n\n{given}\n\n{made}\n\n{told}"


def _learned(card: dict[str, Any]) -> str:
    rows = [
        "| split | patients | visits | photos | visits by class | visits by skin type |",
        "|---|---|---|---|---|---|",
    ]
    for split in _SPLITS:
        own = card["data"][split]
        types = ", ".join(f"{name} {count}" for name, count in own["visits_by_skin_type"].items()) or "not told"
        classes = ", ".join(f"{name} {count}" for name, count in own["visits_by_class"].items())
        rows.append(f"| {split} | {own['patients']} | {own['visits']} | {own['photos']} | {classes} | {types} |")
    removed = card["data"]["train"]["photos_removed"]
    encoder = card["encoder"]
    return (
        "## What it learned from\n\n"
        + "\n".join(rows)
        + f"\n\n{removed} training photos were left out by a keep list. Labels are Reader 1's. "
        f"Epoch {card['kept_epoch']} was kept.\n\n"
        f"Encoder: {encoder['name']}, {encoder['source']}; licence of its weights: {encoder['licence']}. "
        f"{card['num_parameters']:,} trained parameters."
    )


def _quality(card: dict[str, Any], run: TrainedRun) -> str:
    if not card["figures"]:
        return "## How good it is\n\nNot measured: the evaluation has no figures of this run."
    told = figures_of(run.outcome).metrics
    rows = ["| reader | group | figure | value | interval | visits |", "|---|---|---|---|---|---|"]
    for row in card["figures"]:
        group = "all" if row[GROUP_COLUMN] == "all" else f"{row[GROUP_COLUMN]} {row['group']}"
        metric = told[row[METRIC]].in_sentence if row[METRIC] in told else row[METRIC]
        span = "none" if row[LOW] is None or row[HIGH] is None else f"{row[LOW]:.2f} to {row[HIGH]:.2f}"
        rows.append(f"| {row[READER]} | {group} | {metric} | {row[VALUE]:.2f} | {span} | {row[NUM_VISITS]} |")
    return "## How good it is\n\nOn the study's test visits, whose patients it did not see.\n\n" + "\n".join(rows)


def _calibration(card: dict[str, Any]) -> str:
    found = card["calibration"]
    if "probabilities" not in card["outputs"]:
        return "## Calibration\n\nThe answer is a number, with no probability to calibrate."
    if found["source"] == "none":
        return f"## Calibration\n\nProbabilities are not calibrated: {found['why']}."
    errors = ""
    if found["error_as_said"] is not None:
        errors = (
            f" On test visits the most probable class is off by {found['error_as_said']:.2f} as it stands and by "
            f"{found['error_calibrated']:.2f} calibrated."
        )
    return (
        f"## Calibration\n\nDivide the logits by {found['temperature']:.3f} before the softmax: fitted to "
        f"{found['num_visits']} visits {found['why']}.{errors}"
    )


def _limits(card: dict[str, Any], of_photos: bool) -> str:
    train = card["data"]["train"]
    rare = [name for name, count in train["visits_by_class"].items() if count < 20]
    lines = [
        "- It knows the cameras, light, views, skin types and readers of one study. Elsewhere its figures are unknown until "
        "measured.",
        "- It answers whatever it is shown, also no skin. `grasp predict` says where a visit is far from those that trained; "
        "this file does not.",
        "- Attention says what was weighed, not why.",
    ]
    if rare:
        lines.append(f"- Fewer than 20 training visits were {' or '.join(rare)}.")
    if of_photos and not train["visits_by_skin_type"]:
        lines.append("- Skin types of the training visits are not told.")
    return "## Limits\n\n" + "\n".join(lines)


def _proof(card: dict[str, Any]) -> str:
    proof = card["comparison"]
    counts = ", ".join(str(count) for count in proof["num_photos"])
    lines = [f"- `{file}`: {difference:.1e}" for file, difference in proof["largest"].items()]
    return (
        f"## Proof\n\nLargest difference of any output from the run's own network on visits of the study with "
        f"{counts} photos, allowed {proof['tolerance']:g}:\n\n" + "\n".join(lines)
    )
