"""Single sign-on. The protocol is django-allauth's; who may come in is decided here: accounts that a coordinator made."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect import views
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from requests import RequestException

from grasp_psonet.reading.app.models import User
from grasp_psonet.reading.app.pages.faults import told
from grasp_psonet.reading.app.sign_ins import BACKEND
from grasp_psonet.reading.app.trail import NOBODY, record

_REFUSED = "This sign-on has no account here, or one that is closed. Ask the coordinator."
_FAILED = "The sign-on was not finished. Go back to the sign-in page and try again."
_DOWN = "The provider of the sign-on does not answer as it should. Try again later, or sign in with the password."


def start(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Sends the browser to the provider."""
    return _answered(request, views.login, provider_id)


def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    """Takes the browser back from the provider, and begins a session."""
    return _answered(request, views.callback, provider_id)


def _answered(request: HttpRequest, view: Any, provider_id: str) -> HttpResponse:
    if request.method != "GET":
        return told(request, "Not understood", "This address is asked for by GET.", 405)
    try:
        response: HttpResponse = view(request, provider_id=provider_id)
    except (RequestException, OAuth2Error, KeyError, TypeError, ValueError) as error:
        record(NOBODY, "session.refused", "sign-on", reason=f"the provider's answer: {type(error).__name__}")
        return told(request, "Not signed in", _DOWN, 502)
    return response


class Accounts(DefaultAccountAdapter):
    """Accounts come from coordinators alone."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def login(self, request: HttpRequest, user: User) -> None:
        user.backend = BACKEND
        super().login(request, user)


class SignOns(DefaultSocialAccountAdapter):
    """Joins a person of the provider to the account of their name, once; from then on by the provider's own number alone."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False

    def on_authentication_error(self, request: HttpRequest, provider: Any, **about: Any) -> None:
        """Raises the page for a sign-on that was broken off, forged or refused by the provider."""
        code = getattr(about.get("error"), "value", about.get("error") or "unknown")
        record(NOBODY, "session.refused", "sign-on", reason=f"not finished: {code}")
        raise ImmediateHttpResponse(told(request, "Not signed in", _FAILED, 403))

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Raises the page of refusal unless the person has an open account here."""
        if sociallogin.state.get("process") != "login":
            raise _refusal(request, "sign-on", "asked for something else than a sign-on")
        if sociallogin.is_existing:
            user: User = sociallogin.user
            if not user.is_active:
                raise _refusal(request, f"account {user.username}", "by sign-on: the account is closed")
            return
        name = _name_of(sociallogin.account.get_provider_account().get_user_data() or {})
        found = User.objects.filter(username=name, is_active=True).first()
        if found is None:
            raise _refusal(request, f"sign-on {name!a}", "no open account of that name")
        if SocialAccount.objects.filter(user=found, provider=sociallogin.account.provider).exists():
            raise _refusal(request, f"account {found.username}", "by sign-on: joined to another person of the provider")
        sociallogin.email_addresses = []  # of which nothing is kept
        sociallogin.connect(request, found)
        about = {"issuer": settings.GRASP_SIGN_ON.issuer, "subject": sociallogin.account.uid}
        record(found, "account.joined", f"account {found.username}", after=about)


def _name_of(claims: dict[str, Any]) -> str:
    told_of = claims.get(settings.GRASP_SIGN_ON.claim)
    return told_of.lower() if isinstance(told_of, str) else ""


def _refusal(request: HttpRequest, subject: str, reason: str) -> ImmediateHttpResponse:
    record(NOBODY, "session.refused", subject, reason=reason)
    return ImmediateHttpResponse(told(request, "Not signed in", _REFUSED, 403))
