"""A revision: what new readings and flags change in the training of a study, as tables beside what stood before.

Visits of the test split are never changed: readings of them are kept and said to be unused. A model's suspicion chose which
visits were read again, so corrected test labels would move towards the model, and its figures with them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from grasp_psonet.cohort.faults import Fault
from grasp_psonet.cohort.label_rules import PLACE, READER_ROLE, all_readings, counted, labels_by_rule
from grasp_psonet.cohort.new_readings import NewReadings, kind_of
from grasp_psonet.cohort.outcome import Outcome
from grasp_psonet.cohort.revise_settings import NOT_ASSESSABLE_FLAG, ReviseSettings
from grasp_psonet.cohort.tables import Cohort
from grasp_psonet.errors import StudyError
from grasp_psonet.tables.columns import (
    DATE,
    IS_CHANGED,
    IS_EXCLUDED,
    IS_USED,
    KIND,
    KINDS,
    LABEL,
    NEW_LABEL,
    NEW_SCORE,
    NOT_ASSESSABLE,
    NUM_READINGS,
    OLD_LABEL,
    OLD_SCORE,
    PHOTO_ID,
    READER_ID,
    READERS,
    ROLE,
    ROUND,
    RULE,
    SCORE,
    SPLIT,
    VISIT_ID,
    WHY_NOT,
)
from grasp_psonet.tables.schemas.revisions import REVISED_LABELS, REVISED_PHOTOS, REVISED_READINGS


@dataclass(frozen=True)
class Revision:
    """``labels``, ``photos`` and ``readings``: the tables of ``schemas/revisions.py``."""

    labels: pd.DataFrame
    photos: pd.DataFrame
    readings: pd.DataFrame

    @property
    def excluded(self) -> frozenset[str]:
        """Photos that are left out of training."""
        return frozenset(self.photos.loc[self.photos[IS_EXCLUDED].astype(bool), PHOTO_ID])

    def applied_to(self, cohort: Cohort, outcome: Outcome) -> Cohort:
        """The study with the new labels in place of the old ones, in memory; photos are left out by whoever trains.

        Raises StudyError where a label is no longer the old one that the revision was made from.
        """
        visits = cohort.visits
        label = visits.set_index(VISIT_ID)[outcome.label_column]
        known = label.reindex(self.labels[VISIT_ID]).astype("Float64").to_numpy(np.float64, na_value=np.nan)
        moved = self.labels.loc[known != self.labels[OLD_LABEL].to_numpy(np.float64), VISIT_ID].tolist()
        if moved:
            raise StudyError(
                f"the labels of {len(moved)} visits are not those that the revision was made from (first: {moved[0]})\n"
                "  next: `grasp revise` makes another revision from the tables of now"
            )
        changed = self.labels[self.labels[IS_CHANGED]].set_index(VISIT_ID)[NEW_LABEL]
        new = visits[VISIT_ID].map(changed).astype("Float64").fillna(visits[outcome.label_column].astype("Float64"))
        visits = visits.assign(**{outcome.label_column: outcome.as_labels(new)})
        # the parts are those of the old label
        visits.loc[visits[VISIT_ID].isin(changed.index), list(outcome.part_columns)] = np.nan
        return replace(cohort, visits=visits)


def revise(
    cohort: Cohort, new: NewReadings, outcome: Outcome, settings: ReviseSettings
) -> tuple[Revision, list[Fault]]:
    """The revision that faultless new readings give, and what keeps it from being made: nothing to change, or a class of which
    no training visit would be left. Meaningless where ``new.faults`` hold anything.
    """
    table = _as_readings(new, outcome).merge(cohort.visits[[VISIT_ID, SPLIT]], on=VISIT_ID, how="left")
    table[WHY_NOT] = _why_not(table, new, settings)
    table[IS_USED] = table[WHY_NOT] == ""
    labels = _labels(cohort, table, outcome, settings)
    photos = _photos(cohort, table, new, settings)
    readings = table.drop(columns=NOT_ASSESSABLE)[REVISED_READINGS.names]
    revision = Revision(labels, photos, readings)
    return revision, _faults(cohort, revision, new, outcome)


def _as_readings(new: NewReadings, outcome: Outcome) -> pd.DataFrame:
    """The rows of the new table under the names of the revision's."""
    table = new.readings.table
    score = outcome.score_columns[:1]
    nothing = pd.Series(pd.NA, index=table.index, dtype="string")
    return pd.DataFrame(
        {
            VISIT_ID: table[VISIT_ID].astype("string"),
            READER_ID: table[READER_ID].astype("string"),
            ROLE: table.get(ROLE, nothing).fillna(READER_ROLE).astype("string"),
            ROUND: table.get(ROUND, nothing).fillna(new.name).astype("string"),
            DATE: table[DATE].map(lambda day: day.isoformat(), na_action="ignore").astype("string"),
            SCORE: table[score[0]].astype(float) if score and score[0] in table else np.nan,
            LABEL: outcome.as_labels(table[outcome.label_columns[0]]),
            NOT_ASSESSABLE: table.get(NOT_ASSESSABLE, nothing).notna(),
        }
    ).reset_index(drop=True)


def _why_not(table: pd.DataFrame, new: NewReadings, settings: ReviseSettings) -> "pd.Series[str]":
    """Why each reading does not count; empty where it does."""
    why = pd.Series("superseded, or a hidden repeat", index=table.index, dtype="string")
    rows = new.readings.table.reset_index(drop=True)
    why[counted(rows)] = ""
    why[table[NOT_ASSESSABLE]] = "not assessable"
    why[~table[SPLIT].isin(settings.splits)] = "its split is not revised"
    why[table[SPLIT] == "test"] = "test visits are not revised"
    return why


def _labels(cohort: Cohort, table: pd.DataFrame, outcome: Outcome, settings: ReviseSettings) -> pd.DataFrame:
    used = table[table[IS_USED]]
    own = used.assign(**{PLACE: pd.Series(pd.NA, index=used.index, dtype="Int64")})
    if settings.readings == "all" and len(used):
        old = all_readings(cohort.visits, cohort.readings, outcome)
        old = old[old[VISIT_ID].isin(used[VISIT_ID])]
        own = pd.concat([old.assign(**{ROUND: ""}), own], ignore_index=True)
        own = own.drop_duplicates([VISIT_ID, READER_ID], keep="last").sort_values([PLACE], kind="stable")
    labels = labels_by_rule(own.assign(**{LABEL: own[LABEL].astype("Float64")}), settings.rule, outcome)
    visits = cohort.visits[cohort.visits[VISIT_ID].isin(used[VISIT_ID])].reset_index(drop=True)
    of_visit = own.groupby(VISIT_ID, sort=False)
    found = pd.DataFrame(
        {
            VISIT_ID: visits[VISIT_ID].astype("string"),
            SPLIT: visits[SPLIT].astype("string"),
            OLD_LABEL: visits[outcome.label_column],
            NEW_LABEL: visits[VISIT_ID].map(labels),
        }
    )
    found[OLD_LABEL], found[NEW_LABEL] = outcome.as_labels(found[OLD_LABEL]), outcome.as_labels(found[NEW_LABEL])
    found[IS_CHANGED] = (found[OLD_LABEL] != found[NEW_LABEL]).fillna(False).astype(bool)
    score = outcome.score_columns[:1]
    found[OLD_SCORE] = visits[score[0]].astype(float) if score and score[0] in visits else np.nan
    medians = of_visit[SCORE].agg(lambda scores: np.nan if scores.isna().any() else float(np.median(scores)))
    found[NEW_SCORE] = visits[VISIT_ID].map(medians).astype(float)
    found[RULE] = settings.rule
    found[READERS] = visits[VISIT_ID].map(of_visit[READER_ID].agg(_listed))
    found[NUM_READINGS] = visits[VISIT_ID].map(of_visit.size()).astype("int64")
    found[ROUND] = visits[VISIT_ID].map(of_visit[ROUND].agg(_listed))
    found[DATE] = visits[VISIT_ID].map(used.groupby(VISIT_ID)[DATE].max()).astype("string")
    return found[REVISED_LABELS.names]


def _photos(cohort: Cohort, table: pd.DataFrame, new: NewReadings, settings: ReviseSettings) -> pd.DataFrame:
    """Every flagged photo; those of visits that nobody could assess are flagged so."""
    flags = pd.concat([new.flags, _of_unassessable(cohort, table)], ignore_index=True)
    place = cohort.photos[[PHOTO_ID, VISIT_ID]].merge(cohort.visits[[VISIT_ID, SPLIT]], on=VISIT_ID)
    if flags.empty:
        return pd.DataFrame({column: [] for column in REVISED_PHOTOS.names})
    wanted = {kind_of(kind) for kind in settings.flags}
    flags = flags.assign(counts=flags[KIND].isin(wanted))
    by_photo = flags.groupby(PHOTO_ID, sort=False)
    found = place[place[PHOTO_ID].isin(flags[PHOTO_ID])].reset_index(drop=True)
    found[KINDS] = found[PHOTO_ID].map(by_photo[KIND].agg(_listed))
    found[READERS] = found[PHOTO_ID].map(by_photo[READER_ID].agg(_listed))
    num_readers = found[PHOTO_ID].map(flags[flags["counts"]].groupby(PHOTO_ID)[READER_ID].nunique()).fillna(0)
    why = pd.Series("", index=found.index, dtype="string")
    why[num_readers < settings.flagged_by] = f"flagged by fewer than {settings.flagged_by} readers (revise.flagged_by)"
    is_judged = found[KINDS].str.contains(NOT_ASSESSABLE_FLAG, regex=False) & (NOT_ASSESSABLE_FLAG in wanted)
    why[is_judged.astype(bool)] = ""  # judged by all who read the visit
    why[num_readers == 0] = "no kind of revise.flags"
    why[~found[SPLIT].isin(settings.splits)] = "its split is not revised"
    why[found[SPLIT] != "train"] = "photos are left out of training alone"
    found[WHY_NOT], found[IS_EXCLUDED] = why, (why == "").astype(bool)
    return found[REVISED_PHOTOS.names].astype(dict.fromkeys((PHOTO_ID, VISIT_ID, SPLIT), "string"))


def _of_unassessable(cohort: Cohort, table: pd.DataFrame) -> pd.DataFrame:
    """Flags of all photos of the visits that somebody could not assess and nobody assessed."""
    refused = table[table[NOT_ASSESSABLE] & ~table[VISIT_ID].isin(table.loc[table[LABEL].notna(), VISIT_ID])]
    flags = cohort.photos[[PHOTO_ID, VISIT_ID]].merge(refused[[VISIT_ID, READER_ID]], on=VISIT_ID)
    return flags.assign(**{KIND: NOT_ASSESSABLE_FLAG})[[PHOTO_ID, READER_ID, KIND]]


def _faults(cohort: Cohort, revision: Revision, new: NewReadings, outcome: Outcome) -> list[Fault]:
    name, told = new.readings.text.name, revision.readings
    if not revision.labels[IS_CHANGED].any() and not revision.excluded:
        reasons = told.loc[~told[IS_USED], WHY_NOT].value_counts()
        same = len(revision.labels)
        parts = [f"{same} visits keep their label"] * bool(same)
        parts += [f"{count} readings do not count: {why}" for why, count in reasons.items()]
        parts += ["no photo is left out"] * bool(len(revision.photos))
        return [
            Fault(
                f"nothing that was read changes training: {'; '.join(parts)}",
                name,
                remedy="see revise.rule, revise.splits and revise.flags",
            )
        ]
    revised = revision.applied_to(cohort, outcome).visits
    photos = cohort.photos[~cohort.photos[PHOTO_ID].isin(revision.excluded)]
    trained = revised[(revised[SPLIT] == "train") & revised[VISIT_ID].isin(photos[VISIT_ID])]
    before = cohort.visits[cohort.visits[SPLIT] == "train"]
    left = {outcome.stratum_of(label) for label in trained[outcome.label_column]}
    lost = {outcome.stratum_of(label) for label in before[outcome.label_column]} - left
    return [
        Fault(f"no training visit would be {outcome.strata[stratum]} any more", name, remedy="read more visits")
        for stratum in sorted(lost)
    ]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted({str(name) for name in names if name}))
