"""The auditor's pages: the trail, and its proof."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from grasp_psonet.reading.app.models import Entry, User
from grasp_psonet.reading.app.models.people import AUDITOR
from grasp_psonet.reading.app.pages.guard import only_for
from grasp_psonet.reading.app.trail import record, verify

_A_PAGE = 100


@only_for(AUDITOR)
def trail(request: HttpRequest, user: User) -> HttpResponse:
    """The trail, newest first."""
    action = request.GET.get("action", "")
    actions = sorted(Entry.objects.values_list("action", flat=True).distinct())
    entries = Entry.objects.order_by("-number")
    entries = entries.filter(action=action) if action in actions else entries
    page = Paginator(entries, _A_PAGE).get_page(request.GET.get("page", "1")[:8])
    return render(request, "reading/trail.html", {"user": user, "page": page, "actions": actions, "action": action})


@only_for(AUDITOR, methods=("POST",))
def proof(request: HttpRequest, user: User) -> HttpResponse:
    """Proves the trail now."""
    held, fault = verify()
    record(user, "trail.verified", after={"entries": held, "fault": fault})
    return render(request, "reading/proof.html", {"user": user, "held": held, "fault": fault})
