"""Signing in and out, the own password, and asking for it again before something is signed."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from grasp_psonet.reading.app.models import User
from grasp_psonet.reading.app.models.people import ADJUDICATOR, AUDITOR, COORDINATOR, READER, ROLES
from grasp_psonet.reading.app.pages.faults import locked_out, not_here
from grasp_psonet.reading.app.pages.guard import only_for
from grasp_psonet.reading.app.trail import record

_HOMES = {COORDINATOR: "rounds", READER: "queue", ADJUDICATOR: "queue", AUDITOR: "trail"}


class SignIn(forms.Form):
    """Account and password."""

    username = forms.CharField(max_length=40)
    password = forms.CharField(max_length=200, strip=False)


class NewPassword(forms.Form):
    """The password as it was, and twice the new one."""

    old = forms.CharField(max_length=200, strip=False)
    new = forms.CharField(max_length=200, strip=False)
    again = forms.CharField(max_length=200, strip=False)


def home(request: HttpRequest) -> HttpResponse:
    """The first page of the account's role."""
    if request.method != "GET":
        return not_here(request)
    user = request.user
    return redirect(_HOMES[user.role] if isinstance(user, User) else "sign-in")


def sign_in(request: HttpRequest) -> HttpResponse:
    """Begins a session, under a new key."""
    fault = ""
    if request.method == "POST":
        form = SignIn(request.POST)
        user = authenticate(request, **form.cleaned_data) if form.is_valid() else None
        if getattr(request, "axes_locked_out", False):
            return locked_out(request)
        if isinstance(user, User):
            login(request, user)
            return redirect("home")
        fault = "Account or password is wrong, or the account is closed."
    shown = {"fault": fault, "sign_on": settings.GRASP_SIGN_ON}
    return render(request, "reading/sign_in.html", shown, status=400 if fault else 200)


@only_for(*ROLES, methods=("POST",))
def sign_out(request: HttpRequest, user: User) -> HttpResponse:
    """Ends the session."""
    logout(request)
    return redirect("sign-in")


@only_for(*ROLES, methods=("GET", "POST"))
def password(request: HttpRequest, user: User) -> HttpResponse:
    """Changes the own password."""
    faults: list[str] = []
    if request.method == "POST":
        form = NewPassword(request.POST)
        faults = _password_faults(request, user, form)
        if getattr(request, "axes_locked_out", False):
            return locked_out(request)
        if not faults:
            with transaction.atomic():
                user.set_password(form.cleaned_data["new"])
                user.must_change_password = False
                user.save(update_fields=["password", "must_change_password"])
                record(user, "account.password_changed", f"account {user.username}")
            update_session_auth_hash(request, user)
            return redirect("home")
    return render(request, "reading/password.html", {"faults": faults, "user": user}, status=400 if faults else 200)


def _password_faults(request: HttpRequest, user: User, form: NewPassword) -> list[str]:
    if not form.is_valid():
        return ["Fill in all three fields."]
    told: dict[str, Any] = form.cleaned_data
    if not confirmed(request, user, told["old"]):
        return ["The present password is wrong."]
    if told["new"] != told["again"]:
        return ["The two new passwords differ."]
    if told["new"] == told["old"]:
        return ["The new password is the old one."]
    try:
        validate_password(told["new"], user)
    except ValidationError as error:
        return list(error.messages)
    return []


def confirmed(request: HttpRequest, user: User, typed: str) -> bool:
    """Whether this is the account's password. Wrong ones count, and lock the account as at the sign-in."""
    if not typed or len(typed) > 200 or "\0" in typed:
        return False
    found = authenticate(request, username=user.username, password=typed)
    return found is not None and found.pk == user.pk
