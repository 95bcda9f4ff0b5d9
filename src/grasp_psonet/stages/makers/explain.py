"""``grasp explain``: maps inside the bag, on flagged photos and on the photos that the errors looked at, of the baseline and of
the chosen run side by side.

Of precomputed features there is no photo to map: the index names them, and how much was attended to them stands with the run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from grasp_psonet import chance
from grasp_psonet.bags.bag import Bag, Pixels, collate
from grasp_psonet.cohort.synthetic.drawing.masks import PhotoMasks
from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.explain.faithfulness import areas_of, random_orders, warmest_first
from grasp_psonet.explain.figures import map_figures
from grasp_psonet.explain.heat import PhotoMap
from grasp_psonet.explain.in_bag import PhotoInBag
from grasp_psonet.explain.mass import area_shares, mass_shares
from grasp_psonet.explain.methods import map_of
from grasp_psonet.explain.overlay import overlay_png
from grasp_psonet.explain.settings import Method, Sign
from grasp_psonet.files import read_json
from grasp_psonet.network.network import BagNetwork
from grasp_psonet.pruning.ranking import ranked_photos
from grasp_psonet.stages.declared.needs import ExplainNeeds
from grasp_psonet.stages.job import Job
from grasp_psonet.stages.keep_lists import made_keep_lists
from grasp_psonet.stages.makers.drawn_masks import drawn_masks
from grasp_psonet.stages.makers.prune import compared_photos, read_keep
from grasp_psonet.stages.makers.tracing.trace import kept_queries
from grasp_psonet.stages.names import BASELINE
from grasp_psonet.stages.run import TrainedRun
from grasp_psonet.tables.columns import KEPT, LOSS, PATIENT_ID, PHOTO_ID, PREDICTED, QUERY_ID, SCORE, SPLIT, VISIT_ID
from grasp_psonet.tables.dtypes import TEXT
from grasp_psonet.tables.schemas.explain import FAITHFULNESS, MAP_FIGURES, MAPS
from grasp_psonet.tables.schemas.traces import SCORES
from grasp_psonet.tables.table import Table

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Wanted:
    """A photo to be mapped: its number among them, why, its bag with nothing removed, and the label that its maps speak for."""

    number: int
    reason: str
    photo_id: str
    bag: Bag
    target: float

    @property
    def place(self) -> Row:
        """The first columns of its rows."""
        return self.photo_id, self.bag.visit_id, self.reason


def flagged_photos(own: ExplainNeeds, trace: Path, cohort: Cohort, keep: pd.DataFrame | None) -> pd.DataFrame:
    """The training photos that are shown, the first ones first: photo_id, visit_id, score (what pruning ranks by).

    First those that the keep list removes (None: there is none), then those that pruning would take next: both in the order of
    the ranking, at the end that ``prune.end`` names, and by whole visits or patients where ``prune.remove`` says so. What a
    list removes beyond the ranking, for it looks like the others, comes last of its photos. ``trace``: the scores' folder.
    """
    scores = SCORES.read(trace / "scores.parquet")
    visits = cohort.visits[cohort.visits[SPLIT] == "train"]
    ranked = ranked_photos(scores, compared_photos(cohort, own), visits, own.rules)
    if keep is not None:
        removed = keep.loc[~keep[KEPT], [PHOTO_ID, VISIT_ID, SCORE]]
        is_removed, is_ranked = ranked[PHOTO_ID].isin(removed[PHOTO_ID]), removed[PHOTO_ID].isin(ranked[PHOTO_ID])
        beyond = removed[~is_ranked].sort_values(PHOTO_ID)
        parts = [part for part in (ranked[is_removed], beyond, ranked[~is_removed]) if len(part)]
        ranked = pd.concat(parts, ignore_index=True) if parts else ranked
    return ranked.head(own.explain.flagged)


def followed_list(job: Job, evaluation: Path) -> pd.DataFrame | None:
    """The keep list that the study follows: that of the chosen run, else the longest; None where none removes a photo.

    ``evaluation``: the folder of the choice. Raises StageError where a list is not made or not whole.
    """
    one = made_keep_lists(job).followed(read_json(evaluation / "choice.json")["run"])
    return None if one is None else read_keep(job, one.name)


def make_maps(folder: Path, own: ExplainNeeds, run: TrainedRun, trace: Path, evaluation: Path) -> None:
    """Leaves the maps, their index, what deletion and insertion say of them, and their figures in the folder.

    ``run``: the baseline; ``trace`` and ``evaluation``: the folders of its trace and of the choice of k. Where a pruning was
    chosen, its network is shown the same bags as the baseline's, photos that it was trained without included.
    """
    wanted = wanted_photos(own, run, trace, followed_list(run.job, evaluation))
    maps: list[Row] = []
    areas: list[Row] = []
    if run.job.kind == "photos":
        store = run.inputs.store
        masks = drawn_masks(run.job, store, [one.photo_id for one in wanted])
        for name in dict.fromkeys((BASELINE, read_json(evaluation / "choice.json")["run"])):
            network = (run if name == BASELINE else TrainedRun(run.job, name)).photo_network()
            for one in wanted:
                made = _made(own, _in_bag(network, one, store.pixels, own.explain.sign), one)
                maps += _index_rows(folder, name, one, made, store.pixels, masks.get(one.photo_id))
                areas += [(*one.place, name, method, *told) for method, (_, told) in made.items()]
    else:
        maps = [(*one.place, BASELINE, None, one.target, *[None] * 6) for one in wanted]
    index, faithfulness = _table(MAPS, maps), _table(FAITHFULNESS, areas)
    MAPS.write(index, folder / "index.parquet")
    FAITHFULNESS.write(faithfulness, folder / "faithfulness.parquet")
    patient_of = dict(zip(run.cohort.visits[VISIT_ID], run.cohort.visits[PATIENT_ID], strict=True))
    MAP_FIGURES.write(map_figures(index, faithfulness, patient_of, own.resampling), folder / "figures.parquet")


def wanted_photos(own: ExplainNeeds, run: TrainedRun, trace: Path, keep: pd.DataFrame | None) -> list[Wanted]:
    """The flagged photos (``keep``: the list that is followed), then the most-attended photos of the kept epoch's errors of
    highest loss."""
    predicted = run.predictions.set_index(VISIT_ID)[PREDICTED]
    bags = {bag.visit_id: bag for split in ("train", "val") for bag in run.inputs.bags(split)}
    by_loss = kept_queries(run, trace).sort_values([LOSS, QUERY_ID], ascending=[False, True])
    worst_errors = by_loss.head(own.explain.errors)
    flagged = flagged_photos(own, trace, run.job.cohort, keep)
    # a flagged photo: what in it speaks for the label it trains; an error: what speaks for the wrong answer
    wanted = [
        ("flagged", photo_id, bags[visit_id], bags[visit_id].label)
        for photo_id, visit_id in zip(flagged[PHOTO_ID], flagged[VISIT_ID], strict=True)
    ]
    wanted += [
        ("error", photo_id, bags[visit_id], predicted.loc[visit_id].item())
        for photo_id, visit_id in zip(worst_errors[PHOTO_ID], worst_errors[QUERY_ID], strict=True)
    ]
    return [Wanted(number, *one) for number, one in enumerate(wanted)]


def _in_bag(network: BagNetwork, one: Wanted, pixels: Pixels, sign: Sign) -> PhotoInBag:
    batch = collate([one.bag], pixels).to(next(network.parameters()).device)
    place, target_1 = one.bag.photo_ids.index(one.photo_id), batch.label_B.new_tensor([one.target])
    return PhotoInBag(network, batch, place, target_1, sign)


def _made(own: ExplainNeeds, photo: PhotoInBag, one: Wanted) -> dict[Method, tuple[PhotoMap, Row]]:
    """By method the map of the photo and its areas, as the table of faithfulness has them; none of a map without heat, and none
    where no random order is asked for."""
    maps = {method: map_of(photo, method) for method in own.explain.methods}
    warm = [method for method, made in maps.items() if not made.is_empty]
    found: dict[Method, Row] = dict.fromkeys(maps, (None,) * 4)
    if warm and own.explain.random_orders:
        rng = chance.generator("deletion and insertion", own.seed, one.bag.visit_id, one.photo_id)
        random_RP = random_orders(own.explain.random_orders, rng)  # first: they are the same for every run and method
        of_maps_RP = np.stack([warmest_first(maps[method].heat_hw, rng) for method in warm])
        areas = areas_of(photo, np.concatenate([of_maps_RP, random_RP]))
        curves = (areas.deletion_R, areas.insertion_R)
        for at, method in enumerate(warm):
            found[method] = tuple(float(v) for curve in curves for v in (curve[at], curve[len(warm) :].mean()))
    return {method: (made, found[method]) for method, made in maps.items()}


def _index_rows(
    folder: Path,
    run: str,
    one: Wanted,
    made: Mapping[Method, tuple[PhotoMap, Row]],
    pixels: Pixels,
    masks: PhotoMasks | None,
) -> list[Row]:
    """The rows of a photo's maps in the index; writes their pictures."""
    photo_HWC = np.array(pixels[one.bag.rows[one.bag.photo_ids.index(one.photo_id)]])
    area = (None, None) if masks is None else astuple(area_shares(masks))
    rows = []
    for method, (photo_map, _) in made.items():
        name = f"map-{one.number:03d}-{run}-{method}.png"
        (folder / name).write_bytes(overlay_png(photo_HWC, photo_map.heat_hw))
        shares = None if masks is None else mass_shares(photo_map, masks)
        on = (None, None) if shares is None else astuple(shares)
        rows.append((*one.place, run, method, one.target, photo_map.largest, name, *on, *area))
    return rows


def _table(table: Table, rows: Sequence[Row]) -> pd.DataFrame:
    """The rows under the table's columns; what may be missing is of its type also where all of it is."""
    kinds = {column.name: "string" if column.dtype == TEXT else float for column in table.columns if column.nullable}
    return pd.DataFrame(rows, columns=table.names).astype(kinds)
