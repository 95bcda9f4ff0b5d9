"""What Django and axes tell of sign-ins, onto the trail."""

from typing import Any

from axes.signals import user_locked_out
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed

from grasp_psonet.reading.app.models import User
from grasp_psonet.reading.app.trail import NOBODY, record

BACKEND = "django.contrib.auth.backends.ModelBackend"  # whose sessions they are, by password or by sign-on


def listen() -> None:
    """Begins to listen."""
    user_logged_in.connect(_signed_in, dispatch_uid="reading")
    user_logged_out.connect(_signed_out, dispatch_uid="reading")
    user_login_failed.connect(_failed, dispatch_uid="reading")
    user_locked_out.connect(_locked_out, dispatch_uid="reading")


def _signed_in(user: User, **_: Any) -> None:
    record(user, "session.began", _account(user.username))


def _signed_out(user: User | None, **_: Any) -> None:
    if user is not None:
        record(user, "session.ended", _account(user.username))


def _failed(credentials: dict[str, Any], **_: Any) -> None:
    record(NOBODY, "session.refused", _account(str(credentials.get("username", ""))))


def _locked_out(username: str | None = None, **_: Any) -> None:
    record(NOBODY, "account.locked_out", _account(username or ""))


def _account(name: str) -> str:
    """The account, if there is one of that name; what else was typed may be a password, and is not kept."""
    return f"account {name}" if User.objects.filter(username=name).exists() else "unknown account"
