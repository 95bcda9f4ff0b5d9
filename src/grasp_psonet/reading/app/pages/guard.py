"""Who may see a page. What is not an account's own is not there, is on the trail, and ends the session if it goes on."""

import datetime
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from grasp_psonet.reading.app.models import Entry, User
from grasp_psonet.reading.app.pages.faults import not_here
from grasp_psonet.reading.app.trail import record

MOST_REFUSALS = 20  # within the time below; then the account gets no page for as long
_MINUTES = 15
_REFUSED = "access.refused"

Page = Callable[Concatenate[HttpRequest, User, ...], HttpResponse]


def only_for(*roles: str, methods: tuple[str, ...] = ("GET",)) -> Callable[[Page], Callable[..., HttpResponse]]:
    """A page of these roles, which gets the account after the request. Others get what a page that is not there gets."""

    def guarded(page: Page) -> Callable[..., HttpResponse]:
        @wraps(page)
        def answered(request: HttpRequest, **named: Any) -> HttpResponse:
            user = request.user
            if not isinstance(user, User):
                return redirect("sign-in")
            if user.role not in roles:
                return refused(request, user)
            if request.method not in methods:
                response = not_here(request)
                response.status_code = 405
                response["Allow"] = ", ".join(methods)
                return response
            return page(request, user, **named)

        return answered

    return guarded


def refused(request: HttpRequest, user: User) -> HttpResponse:
    """Not found, whether it is not there or another's. Notes it, and refuses the account for a while after too many."""
    record(user, _REFUSED, request.path_info[:100])
    since = (timezone.now() - datetime.timedelta(minutes=_MINUTES)).isoformat(timespec="microseconds")
    recent = Entry.objects.filter(actor=user.username, action=_REFUSED, at__gte=since)
    if recent.count() >= MOST_REFUSALS:
        user.refused_until = timezone.now() + datetime.timedelta(minutes=_MINUTES)
        user.save(update_fields=["refused_until"])
        record(user, "account.locked_out", f"account {user.username}", reason=f"{MOST_REFUSALS} refusals")
    return not_here(request)
