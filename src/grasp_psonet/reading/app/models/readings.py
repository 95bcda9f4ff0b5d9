"""What readers say: a draft that is saved as they go, and readings, which are signed and never changed."""

from django.db import models

from grasp_psonet.reading.app.models.rounds import Item
from grasp_psonet.reading.charter import canonical, digest


class Draft(models.Model):
    """The latest answers of an item. ``revision`` counts saves, so that a second window cannot undo the first."""

    item: "models.OneToOneField[Item, Item]" = models.OneToOneField(Item, models.PROTECT, related_name="draft")
    answers: "models.TextField[str, str]" = models.TextField()
    revision: "models.IntegerField[int, int]" = models.IntegerField(default=0)


class Reading(models.Model):
    """A signed reading; a trigger refuses to change or delete it. ``grade``: the class, a number from 0; score and grade are
    missing where the visit is not assessable. ``signed_at``: UTC, ISO 8601."""

    item: "models.ForeignKey[Item, Item]" = models.ForeignKey(Item, models.PROTECT, related_name="readings")
    version: "models.IntegerField[int, int]" = models.IntegerField()
    answers: "models.TextField[str, str]" = models.TextField()
    score: "models.FloatField[float | None, float | None]" = models.FloatField(null=True)
    grade: "models.IntegerField[int | None, int | None]" = models.IntegerField(null=True)
    signed_by: "models.CharField[str, str]" = models.CharField(max_length=100)
    signed_at: "models.CharField[str, str]" = models.CharField(max_length=32)
    meaning: "models.CharField[str, str]" = models.CharField(max_length=200)
    reason: "models.TextField[str, str]" = models.TextField(default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["item", "version"], name="version_once")]

    @property
    def digest(self) -> str:
        """SHA-256 of all that was signed, which the trail keeps."""
        said = [self.answers, self.score, self.grade, self.reason]
        signature = [self.signed_by, self.signed_at, self.meaning]
        return digest(canonical([self.item.code, self.item.reader.username, self.version, *said, *signature]))
