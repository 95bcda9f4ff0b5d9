"""The trail: entries that follow each other by hash, and the head, which knows the last one."""

from django.db import models

from grasp_psonet.reading.chain import Body, Link


class Entry(models.Model):
    """One entry; a trigger refuses to change or delete it. The fields are those of ``Body``."""

    number: "models.BigIntegerField[int, int]" = models.BigIntegerField(primary_key=True)
    at: "models.CharField[str, str]" = models.CharField(max_length=32)
    actor: "models.CharField[str, str]" = models.CharField(max_length=60)
    role: "models.CharField[str, str]" = models.CharField(max_length=20)
    action: "models.CharField[str, str]" = models.CharField(max_length=40, db_index=True)
    subject: "models.CharField[str, str]" = models.CharField(max_length=120)
    before: "models.TextField[str, str]" = models.TextField()
    after: "models.TextField[str, str]" = models.TextField()
    reason: "models.TextField[str, str]" = models.TextField()
    previous: "models.CharField[str, str]" = models.CharField(max_length=64)
    hash: "models.CharField[str, str]" = models.CharField(max_length=64)

    def link(self) -> Link:
        """The entry as the chain reads it."""
        told = (self.at, self.actor, self.role, self.action, self.subject, self.before, self.after, self.reason)
        return Link(Body(self.number, *told), self.previous, self.hash)


class Head(models.Model):
    """One row: number and hash of the last entry, under a code that only the app's key makes. Writers wait for it."""

    number: "models.BigIntegerField[int, int]" = models.BigIntegerField()
    hash: "models.CharField[str, str]" = models.CharField(max_length=64)
    mac: "models.CharField[str, str]" = models.CharField(max_length=64)
