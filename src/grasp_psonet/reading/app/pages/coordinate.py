"""The coordinator's pages: accounts, and rounds with their progress and agreement."""

from django import forms
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from grasp_psonet.errors import GraspError
from grasp_psonet.reading.app.accounts import create_account, reset_password, set_active, set_role
from grasp_psonet.reading.app.models import Round, User
from grasp_psonet.reading.app.models.people import COORDINATOR, ROLES
from grasp_psonet.reading.app.models.rounds import SIGNED
from grasp_psonet.reading.app.pages.faults import locked_out, told
from grasp_psonet.reading.app.pages.guard import only_for, refused
from grasp_psonet.reading.app.pages.session import confirmed
from grasp_psonet.reading.app.progress import agreement_of, progress_of
from grasp_psonet.reading.app.rounds import lock_round, open_round


class NewAccount(forms.Form):
    """A new account."""

    username = forms.CharField(max_length=40)
    full_name = forms.CharField(max_length=100)
    role = forms.ChoiceField(choices=[(role, role) for role in ROLES])


class Change(forms.Form):
    """What is done to an account."""

    action = forms.ChoiceField(choices=[(name, name) for name in ("role", "close", "reopen", "password")])
    role = forms.ChoiceField(choices=[(role, role) for role in ROLES], required=False)
    reason = forms.CharField(max_length=500, required=False)


class Signature(forms.Form):
    """A password typed again, and a reason where one is needed."""

    password = forms.CharField(max_length=200, strip=False)
    reason = forms.CharField(max_length=500, required=False)


@only_for(COORDINATOR, methods=("GET", "POST"))
def people(request: HttpRequest, user: User) -> HttpResponse:
    """All accounts; makes new ones."""
    fault, made = "", None
    if request.method == "POST":
        form = NewAccount(request.POST)
        if form.is_valid():
            try:
                made = (form.cleaned_data["username"], create_account(user, **form.cleaned_data))
            except GraspError as error:
                fault = str(error)
        else:
            fault = "Fill in account, full name and role."
    shown = {"user": user, "people": User.objects.order_by("username"), "roles": ROLES, "fault": fault, "made": made}
    return render(request, "reading/people.html", shown, status=400 if fault else 200)


@only_for(COORDINATOR, methods=("POST",))
def change_person(request: HttpRequest, user: User, username: str) -> HttpResponse:
    """Changes an account: role, open or closed, a new one-time password."""
    person, form = User.objects.filter(username=username).first(), Change(request.POST)
    if person is None:
        return refused(request, user)
    if not form.is_valid():
        return told(request, "Not understood", "Choose what to do with the account.", 400)
    reason = form.cleaned_data["reason"]
    try:
        match form.cleaned_data["action"]:
            case "role":
                set_role(user, person, form.cleaned_data["role"], reason)
            case "close" | "reopen":
                set_active(user, person, form.cleaned_data["action"] == "reopen", reason)
            case _:
                made = (person.username, reset_password(user, person))
                shown = {"user": user, "people": User.objects.order_by("username"), "roles": ROLES, "made": made}
                return render(request, "reading/people.html", shown)
    except GraspError as error:
        return told(request, "Not done", str(error))
    return redirect("people")


@only_for(COORDINATOR)
def rounds(request: HttpRequest, user: User) -> HttpResponse:
    """All rounds with how far they are."""
    found = Round.objects.order_by("-pk").annotate(
        num_visits=Count("cases", distinct=True),
        num_items=Count("cases__items", distinct=True),
        num_signed=Count("cases__items", filter=Q(cases__items__state=SIGNED), distinct=True),
    )
    return render(request, "reading/rounds.html", {"user": user, "rounds": found})


@only_for(COORDINATOR)
def one_round(request: HttpRequest, user: User, name: str) -> HttpResponse:
    """A round: charter, progress, agreement."""
    found = Round.objects.filter(name=name).first()
    if found is None:
        return refused(request, user)
    shown = {"user": user, "round": found, "charter": found.rules, "progress": progress_of(found)}
    return render(request, "reading/round.html", shown | {"agreement": agreement_of(found)})


@only_for(COORDINATOR, methods=("POST",))
def move_round(request: HttpRequest, user: User, name: str, move: str) -> HttpResponse:
    """Opens or locks a round, signed with the password."""
    found, form = Round.objects.filter(name=name).first(), Signature(request.POST)
    if found is None:
        return refused(request, user)
    if not form.is_valid() or not confirmed(request, user, form.cleaned_data["password"]):
        if getattr(request, "axes_locked_out", False):
            return locked_out(request)
        return told(request, "Not done", "The password is wrong; nothing was changed.", 400)
    try:
        if move == "open":
            open_round(user, found)
        else:
            lock_round(user, found, form.cleaned_data["reason"])
    except GraspError as error:
        return told(request, "Not done", str(error))
    return redirect("round", name=name)
