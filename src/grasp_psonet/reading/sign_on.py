"""Single sign-on: which OpenID Connect provider the app trusts, and which of its claims names an account."""

import hashlib
import ipaddress
import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from grasp_psonet.errors import SettingsError

SECRET_VARIABLE = "GRASP_READ_OIDC_SECRET"
_CLAIM = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


@dataclass(frozen=True)
class SignOn:
    """An OpenID Connect provider. ``claim``: the claim of a person that must be the name of an account; ``secret``: the
    client's, which the provider gave out with ``client_id``. Raises SettingsError for what cannot be honoured."""

    issuer: str
    client_id: str
    secret: str
    claim: str = "preferred_username"

    def __post_init__(self) -> None:
        parts = urlsplit(self.issuer)
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_this_machine(parts.hostname or "")):
            raise SettingsError(
                f"--oidc-issuer {self.issuer!a}: who signs on would be told in the clear\n  next: an address with https://"
            )
        if not parts.hostname or parts.query or parts.fragment or parts.username:
            raise SettingsError(
                f"--oidc-issuer {self.issuer!a} is no issuer\n  next: https://HOST/PATH, as the provider says"
            )
        if not self.client_id:
            raise SettingsError("--oidc-issuer needs --oidc-client-id\n  next: register the app at the provider")
        if not self.secret:
            raise SettingsError(f"the client's secret is empty\n  next: export {SECRET_VARIABLE}=...")
        if not _CLAIM.fullmatch(self.claim):
            raise SettingsError(f"--oidc-claim {self.claim!a}: wanted the name of a claim, such as preferred_username")

    @property
    def provider_id(self) -> str:
        """The provider in addresses and tables of the app: another issuer is another provider, with people of its own."""
        return hashlib.sha256(self.issuer.encode()).hexdigest()[:12]

    @property
    def callback(self) -> str:
        """The path to which the provider sends browsers back, as it has to be registered there."""
        return f"/sign-on/{self.provider_id}/callback/"


def sign_on_of(issuer: str | None, client_id: str | None, claim: str | None) -> SignOn | None:
    """The provider that the command line names, with the secret from the environment; None where it names none."""
    if issuer is None:
        if client_id is not None or claim is not None:
            raise SettingsError("--oidc-client-id and --oidc-claim go with --oidc-issuer\n  next: name the provider")
        return None
    secret = os.environ.get(SECRET_VARIABLE, "")
    return SignOn(issuer.rstrip("/"), client_id or "", secret, claim or "preferred_username")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
