"""Rounds: the visits to be read, their photos at reading size, and each reader's own items under random codes."""

import secrets
from typing import TYPE_CHECKING

from django.db import models

from grasp_psonet.reading.app.models.people import User
from grasp_psonet.reading.charter import Charter

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from grasp_psonet.reading.app.models.readings import Reading

DRAFT, OPEN, LOCKED = "draft", "open", "locked"
WAITING, STARTED, SIGNED = "waiting", "started", "signed"
ADJUDICATION = "adjudication"


def new_code() -> str:
    """132 random bits: what pages and photos go by in a browser."""
    return secrets.token_urlsafe(17)[:22]


class Round(models.Model):
    """``charter``: canonical JSON; a trigger refuses another one once the round is open."""

    name: "models.CharField[str, str]" = models.CharField(max_length=40, unique=True)
    charter: "models.TextField[str, str]" = models.TextField()
    state: "models.CharField[str, str]" = models.CharField(max_length=10, default=DRAFT)

    @property
    def rules(self) -> Charter:
        """The charter as a value."""
        return Charter.from_json(self.charter)


class Case(models.Model):
    """A visit of a round. What is here of the study never reaches a reader's browser."""

    round: "models.ForeignKey[Round, Round]" = models.ForeignKey(Round, models.PROTECT, related_name="cases")
    visit_id: "models.TextField[str, str]" = models.TextField()
    is_flagged: "models.BooleanField[bool, bool]" = models.BooleanField()
    photos: "RelatedManager[Photo]"
    items: "RelatedManager[Item]"

    class Meta:
        constraints = [models.UniqueConstraint(fields=["round", "visit_id"], name="visit_once_a_round")]


class Photo(models.Model):
    """A photo of a visit at reading size. ``file``: random name in the app's store; ``region``: heading on the page."""

    case: "models.ForeignKey[Case, Case]" = models.ForeignKey(Case, models.PROTECT, related_name="photos")
    photo_id: "models.TextField[str, str]" = models.TextField()
    region: "models.CharField[str, str]" = models.CharField(max_length=60)
    position: "models.IntegerField[int, int]" = models.IntegerField()
    file: "models.CharField[str, str]" = models.CharField(max_length=22)
    width_px: "models.IntegerField[int, int]" = models.IntegerField()
    height_px: "models.IntegerField[int, int]" = models.IntegerField()


class Item(models.Model):
    """One visit in one reader's queue. ``kind``: first, repeat (hidden) or adjudication."""

    case: "models.ForeignKey[Case, Case]" = models.ForeignKey(Case, models.PROTECT, related_name="items")
    reader: "models.ForeignKey[User, User]" = models.ForeignKey(User, models.PROTECT, related_name="items")
    code: "models.CharField[str, str]" = models.CharField(max_length=22, unique=True, default=new_code)
    kind: "models.CharField[str, str]" = models.CharField(max_length=12)
    position: "models.IntegerField[int, int]" = models.IntegerField()
    state: "models.CharField[str, str]" = models.CharField(max_length=10, default=WAITING)
    photos: "RelatedManager[ItemPhoto]"
    readings: "RelatedManager[Reading]"

    class Meta:
        constraints = [models.UniqueConstraint(fields=["case", "reader", "kind"], name="kind_once_a_reader")]


class ItemPhoto(models.Model):
    """A photo as one reader gets it, under a code of its own."""

    item: "models.ForeignKey[Item, Item]" = models.ForeignKey(Item, models.PROTECT, related_name="photos")
    photo: "models.ForeignKey[Photo, Photo]" = models.ForeignKey(Photo, models.PROTECT)
    code: "models.CharField[str, str]" = models.CharField(max_length=22, unique=True, default=new_code)
