"""Pages for what went wrong. They say nothing of the study."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

_TOLD = "reading/told.html"


def told(request: HttpRequest, title: str, text: str, status: int = 409) -> HttpResponse:
    """A page that says one thing, with the way back."""
    return render(request, _TOLD, {"title": title, "text": text}, status=status)


def not_here(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """No such page, or not for this account."""
    return told(request, "Not found", "There is no such page for this account.", 404)


def bad_request(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """A request that cannot be read."""
    return told(request, "Not understood", "The request could not be read. Go back and try again.", 400)


def csrf(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that was not made by this app for this session."""
    return told(
        request, "Refused", "This form is not of this session. Load the page again and send it from there.", 403
    )


def locked_out(request: HttpRequest, original_response: Any = None, credentials: Any = None) -> HttpResponse:
    """Too many wrong passwords."""
    text = "Too many wrong passwords. Wait a quarter of an hour, or ask the coordinator for a new one."
    return told(request, "Locked", text, 429)


def broken(request: HttpRequest) -> HttpResponse:
    """A fault of the program."""
    return told(request, "Broken", "The app met a fault of its own. Nothing that was saved is lost.", 500)
