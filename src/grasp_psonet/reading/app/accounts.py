"""Accounts as coordinators and the command line manage them; every change is on the trail."""

import re
import secrets
from typing import Any

from axes.utils import reset
from django.contrib.sessions.models import Session
from django.db import transaction

from grasp_psonet.errors import SettingsError
from grasp_psonet.reading.app.models import User
from grasp_psonet.reading.app.models.people import ROLES
from grasp_psonet.reading.app.trail import record

_USERNAME = re.compile(r"[a-z][a-z0-9._-]{1,39}")


def create_account(actor: User | str, username: str, full_name: str, role: str) -> str:
    """A new account; the one-time password, which is kept nowhere. Raises SettingsError for names that cannot be."""
    if not _USERNAME.fullmatch(username):
        raise SettingsError(f"account {username!a}: wanted 2 to 40 of a-z, 0-9, '.', '_' and '-', a letter first")
    full_name = " ".join(full_name.split())
    if not full_name.isprintable() or not 1 <= len(full_name) <= 100:
        raise SettingsError(f"full name {full_name!a}: wanted 1 to 100 letters; it stands with signatures")
    if role not in ROLES:
        raise SettingsError(f"role {role!a}: wanted one of {', '.join(ROLES)}")
    password = secrets.token_urlsafe(12)
    with transaction.atomic():
        if User.objects.filter(username=username).exists():
            raise SettingsError(f"account {username} is there already\n  next: choose another name")
        user = User(username=username, full_name=full_name, role=role)
        user.set_password(password)
        user.save()
        record(actor, "account.created", f"account {username}", after={"role": role, "full_name": full_name})
    return password


def set_role(actor: User | str, user: User, role: str, reason: str) -> None:
    """Gives an account another role. Raises SettingsError for one's own, an unknown one, one without a reason, or an account
    that has items of a round: its readings would change their meaning."""
    if isinstance(actor, User) and actor.pk == user.pk:
        raise SettingsError("nobody changes their own role\n  next: ask another coordinator")
    if role not in ROLES:
        raise SettingsError(f"role {role!a}: wanted one of {', '.join(ROLES)}")
    if not reason.strip():
        raise SettingsError("a change of role needs a reason")
    with transaction.atomic():
        if user.items.exists():
            raise SettingsError(f"{user.username} reads in a round\n  next: make another account for the other role")
        before = user.role
        user.role = role
        user.save(update_fields=["role"])
        record(
            actor,
            "account.role",
            f"account {user.username}",
            before={"role": before},
            after={"role": role},
            reason=reason,
        )
        end_sessions(user)


def set_active(actor: User | str, user: User, is_active: bool, reason: str) -> None:
    """Closes or opens an account. Raises SettingsError for one's own."""
    if isinstance(actor, User) and actor.pk == user.pk:
        raise SettingsError("nobody closes their own account\n  next: ask another coordinator")
    with transaction.atomic():
        before = user.is_active
        user.is_active = is_active
        user.save(update_fields=["is_active"])
        told: dict[str, Any] = {"before": {"is_active": before}, "after": {"is_active": is_active}}
        record(actor, "account.active", f"account {user.username}", **told, reason=reason)
        if not is_active:
            end_sessions(user)


def reset_password(actor: User | str, user: User) -> str:
    """A one-time password in place of the old one, and no lock on the account any more."""
    password = secrets.token_urlsafe(12)
    with transaction.atomic():
        user.set_password(password)
        user.must_change_password, user.refused_until = True, None
        user.save(update_fields=["password", "must_change_password", "refused_until"])
        record(actor, "account.password_reset", f"account {user.username}")
        end_sessions(user)
    reset(username=user.username)
    return password


def end_sessions(user: User) -> None:
    """Signs an account out everywhere."""
    for session in Session.objects.all():
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            session.delete()
