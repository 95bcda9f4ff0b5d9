"""Accounts. A person has one role; passwords, hashing and sessions are Django's."""

import datetime
from typing import TYPE_CHECKING

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models

if TYPE_CHECKING:
    from django.db.models.fields.related_descriptors import RelatedManager

    from grasp_psonet.reading.app.models.rounds import Item

COORDINATOR, READER, ADJUDICATOR, AUDITOR = "coordinator", "reader", "adjudicator", "auditor"
ROLES = {
    COORDINATOR: "makes accounts, opens and locks rounds, sees progress and agreement",
    READER: "reads the visits of an own queue",
    ADJUDICATOR: "reads visits that readers see differently",
    AUDITOR: "reads the trail",
}


class User(AbstractBaseUser):
    """``full_name`` stands with signatures. ``refused_until``: no page until then, after too many that were not this
    person's; ``must_change_password``: nothing but a new password before anything else."""

    username: "models.CharField[str, str]" = models.CharField(max_length=40, unique=True)
    full_name: "models.CharField[str, str]" = models.CharField(max_length=100)
    role: "models.CharField[str, str]" = models.CharField(max_length=20)
    is_active: "models.BooleanField[bool, bool]" = models.BooleanField(default=True)
    must_change_password: "models.BooleanField[bool, bool]" = models.BooleanField(default=True)
    refused_until: "models.DateTimeField[datetime.datetime | None, datetime.datetime | None]" = models.DateTimeField(
        null=True, default=None
    )
    items: "RelatedManager[Item]"

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = ["full_name", "role"]
    objects = BaseUserManager["User"]()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(role__in=list(ROLES)), name="role_is_known")]
