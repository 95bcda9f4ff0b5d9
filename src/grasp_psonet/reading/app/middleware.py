"""What every request and answer goes through beside Django's own: headers, plain cookies, time-out, first password."""

import re
import time
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from grasp_psonet.reading.app.models import User
from grasp_psonet.reading.app.trail import record

Answer = Callable[[HttpRequest], HttpResponse]
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
_SESSION = re.compile(r"[a-z0-9]{32}")
_TOKEN = re.compile(r"[A-Za-z0-9]{32,64}")
_SEEN = "seen"
_NOTED_EVERY = 30  # seconds: a session is not written for every photo
_ALWAYS = ("/password/", "/sign-out/", "/sign-in/", "/static/")


def headers(answer: Answer) -> Answer:
    """Nothing runs, loads or frames but the app's own files; nothing of a page is kept by the browser."""

    def answered(request: HttpRequest) -> HttpResponse:
        response = answer(request)
        response["Content-Security-Policy"] = _CSP
        response["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
        response["Cross-Origin-Resource-Policy"] = "same-origin"
        response["X-Frame-Options"] = "DENY"
        if not request.path_info.startswith(settings.STATIC_URL):
            response["Cache-Control"] = "no-store"
        return response

    return answered


def plain_requests(answer: Answer) -> Answer:
    """Refuses hosts that are not this app's, and drops cookies that Django cannot have set: their letters would reach the
    database."""

    def answered(request: HttpRequest) -> HttpResponse:
        for name, known in ((settings.SESSION_COOKIE_NAME, _SESSION), (settings.CSRF_COOKIE_NAME, _TOKEN)):
            if not known.fullmatch(request.COOKIES.get(name, "")):
                request.COOKIES.pop(name, None)
        request.get_host()
        return answer(request)

    return answered


def idle_time(answer: Answer) -> Answer:
    """Ends a session that rested too long, and one whose account was closed or is refused for a while."""

    def answered(request: HttpRequest) -> HttpResponse:
        user = request.user
        if isinstance(user, User):
            seen, at = request.session.get(_SEEN), time.time()
            why = ""
            if isinstance(seen, float) and at - seen > settings.GRASP_IDLE_SECONDS:
                why = "idle for too long"
            elif user.refused_until is not None and user.refused_until > timezone.now():
                why = "too many pages asked for that are not this account's"
            if why:
                record(user, "session.timed_out", f"account {user.username}", reason=why)
                logout(request)
                return redirect("sign-in")
            if not isinstance(seen, float) or at - seen > _NOTED_EVERY:
                request.session[_SEEN] = at
        return answer(request)

    return answered


def first_password(answer: Answer) -> Answer:
    """Until a new account has a password of its own there is no other page."""

    def answered(request: HttpRequest) -> HttpResponse:
        user = request.user
        if isinstance(user, User) and user.must_change_password and not request.path_info.startswith(_ALWAYS):
            return redirect("password")
        return answer(request)

    return answered
