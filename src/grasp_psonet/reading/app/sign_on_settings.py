"""What Django is told where single sign-on is on."""

import importlib.util
from typing import Any

from grasp_psonet.errors import SettingsError
from grasp_psonet.reading.sign_on import SignOn

_ADAPTERS = "grasp_psonet.reading.app.pages.sign_on"
_ALLAUTH = ("allauth", "allauth.account", "allauth.socialaccount", "allauth.socialaccount.providers.openid_connect")


def refuse_without_sign_on() -> None:
    """Raises SettingsError where the packages of the extra are not installed."""
    if lacking := [name for name in ("allauth", "jwt", "requests") if importlib.util.find_spec(name) is None]:
        raise SettingsError(
            f"single sign-on needs {', '.join(lacking)}, not installed\n  next: pip install 'grasp-psonet[reading-sign-on]'"
        )


def with_sign_on(own: dict[str, Any], sign_on: SignOn) -> dict[str, Any]:
    """Django's settings with the provider among them."""
    provider = {
        "provider_id": sign_on.provider_id,
        "name": "single sign-on",
        "client_id": sign_on.client_id,
        "secret": sign_on.secret,
        "settings": {"server_url": sign_on.issuer, "oauth_pkce_enabled": True},
    }
    return own | {
        "INSTALLED_APPS": [*own["INSTALLED_APPS"], *_ALLAUTH],
        "MIDDLEWARE": [*own["MIDDLEWARE"], "allauth.account.middleware.AccountMiddleware"],
        "ACCOUNT_ADAPTER": f"{_ADAPTERS}.Accounts",
        "ACCOUNT_EMAIL_VERIFICATION": "none",
        "ACCOUNT_LOGIN_METHODS": {"username"},
        "ACCOUNT_SIGNUP_FIELDS": ["username*"],
        "ACCOUNT_USER_MODEL_EMAIL_FIELD": None,
        "SOCIALACCOUNT_ADAPTER": f"{_ADAPTERS}.SignOns",
        "SOCIALACCOUNT_LOGIN_ON_GET": True,  # a link: a form sent on to another host is stopped by the page's own policy
        "SOCIALACCOUNT_PROVIDERS": {"openid_connect": {"APPS": [provider]}},
        "SOCIALACCOUNT_STORE_TOKENS": False,
        "LOGIN_REDIRECT_URL": "/",
    }
