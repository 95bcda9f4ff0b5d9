"""Settings of the synthetic cohort: how many patients, how they are photographed, and what is planted."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from grasp_psonet.setting import STRICT, group, refuse_unless, setting

RandomFault = Literal["colour_cast", "under_exposure", "blur", "background", "marker", "wrong_part", "duplicate"]
ShortcutFault = Literal["sticker", "ruler", "jpeg", "low_resolution", "device"]  # planted alone, never at random
Fault = RandomFault | ShortcutFault
SkinType = Literal["I", "II", "III", "IV", "V", "VI"]
MAX_STRENGTH = 2.0


@dataclass(frozen=True)
class ShortcutSettings:
    """A photo fault that goes with one class in training only; validation and test carry it whatever the class."""

    __pydantic_config__ = STRICT
    path: ClassVar[str] = "cohort.shortcut"

    fault: Fault | Literal["none"] = setting("colour_cast", "the fault that becomes a shortcut; none plants none")
    strength: float = setting(1.0, "how strongly it shows: 1 as the random faults do, less is fainter (up to 2)")
    severity: str = setting("severe", "class whose training visits carry the fault")
    fitzpatrick: tuple[SkinType, ...] = setting((), "skin types whose visits carry it, in every split; empty: all")
    train_visits: float = setting(0.8, "fraction of that class's training visits that carry it")
    train_photos: float = setting(0.3, "fraction of the photos of such a training visit that carry it")
    other_visits: float = setting(0.5, "fraction of validation and test visits that carry it, whatever their class")
    other_photos: float = setting(0.3, "fraction of the photos of such a validation or test visit that carry it")

    def __post_init__(self) -> None:
        for name in ("train_visits", "train_photos", "other_visits", "other_photos"):
            value = getattr(self, name)
            refuse_unless(0 <= value <= 1, f"{self.path}.{name}", value, "a fraction between 0 and 1")
        is_shown = 0 < self.strength <= MAX_STRENGTH
        refuse_unless(is_shown, f"{self.path}.strength", self.strength, f"above 0 and at most {MAX_STRENGTH:g}")
        has_strength = self.fault not in ("wrong_part", "duplicate") or self.strength == 1
        refuse_unless(has_strength, f"{self.path}.strength", self.strength, f"1: {self.fault} is there or is not")
        is_named_once = len(set(self.fitzpatrick)) == len(self.fitzpatrick)
        refuse_unless(is_named_once, f"{self.path}.fitzpatrick", self.fitzpatrick, "each skin type once")


@dataclass(frozen=True)
class SecondShortcutSettings(ShortcutSettings):
    """A second such fault, on photos that the first leaves free; a visit may carry either, both or none."""

    path: ClassVar[str] = "cohort.second_shortcut"

    fault: Fault | Literal["none"] = setting("none", "the fault, another than cohort.shortcut.fault; none plants none")


@dataclass(frozen=True)
class SyntheticSettings:
    """The synthetic cohort."""

    __pydantic_config__ = STRICT

    num_patients: int = setting(96, "patients, each with 1 to 4 visits")
    num_visits: int = setting(240, "visits in all, spread over the patients (baseline, weeks 2, 4 and 8)")
    num_views: int = setting(12, "views of the 46-view protocol that each visit photographs")
    missing_views: float = setting(0.05, "fraction of photos that were not taken (a visit keeps at least one)")
    edge_px: int = setting(128, "edge of the drawn photos, pixels")
    val_visits: int = setting(60, "visits of the validation split (whole patients, so about as many)")
    test_visits: int = setting(80, "visits of the test split (whole patients, so about as many)")
    reader_noise: float = setting(0.38, "standard deviation of a reader's error on each 0-4 and 0-6 sub-score")
    gross_errors: float = setting(0.02, "fraction of a reader's visits with one gross error")
    doubly_read: float = setting(0.5, "fraction of training visits that Reader 2 scored; val and test are all scored")
    fault_rate: float = setting(0.06, "fraction of photos with a random fault unrelated to the class")
    shortcut: ShortcutSettings = group(ShortcutSettings)
    second_shortcut: SecondShortcutSettings = group(SecondShortcutSettings)

    def __post_init__(self) -> None:
        refuse_unless(self.num_patients >= 3, "cohort.num_patients", self.num_patients, "at least 3, one per split")
        refuse_unless(
            self.num_patients <= self.num_visits <= 4 * self.num_patients,
            "cohort.num_visits",
            self.num_visits,
            "between 1 and 4 visits per patient",
        )
        refuse_unless(1 <= self.num_views <= 46, "cohort.num_views", self.num_views, "1 to 46")
        refuse_unless(self.edge_px >= 32, "cohort.edge_px", self.edge_px, "at least 32 pixels")
        refuse_unless(
            self.val_visits > 0 and self.test_visits > 0 and self.val_visits + self.test_visits < self.num_visits,
            "cohort.val_visits, cohort.test_visits",
            (self.val_visits, self.test_visits),
            "positive, and fewer together than cohort.num_visits",
        )
        for name in ("missing_views", "gross_errors", "doubly_read", "fault_rate"):
            value = getattr(self, name)
            refuse_unless(0 <= value <= 1, f"cohort.{name}", value, "a fraction between 0 and 1")
        refuse_unless(self.reader_noise >= 0, "cohort.reader_noise", self.reader_noise, "0 or more")
        first, second = self.shortcut.fault, self.second_shortcut.fault
        refuse_unless(
            second == "none" or first not in (second, "none"),
            "cohort.second_shortcut.fault",
            second,
            f"none, or another fault beside cohort.shortcut.fault, which is {first!r}",
        )
