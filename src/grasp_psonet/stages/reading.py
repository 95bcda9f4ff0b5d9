"""``grasp read``: rounds of blinded reading from a study, and the app that serves them."""

import argparse
import ipaddress
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from grasp_psonet.errors import SettingsError
from grasp_psonet.reading.app.configure import Reach, refuse_without_extra, set_up
from grasp_psonet.reading.place import AppPlace
from grasp_psonet.reading.sign_on import SignOn, sign_on_of

DATABASE_VARIABLE = "GRASP_READ_DATABASE"


@dataclass(frozen=True)
class Listening:
    """Where the app listens. ``hosts``: names that browsers may ask for besides those of this machine."""

    host: str = "127.0.0.1"
    port: int = 8000
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    hosts: tuple[str, ...] = ()
    workers: int = 2
    idle_minutes: int = 20
    sign_on: SignOn | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise SettingsError(f"--port is {self.port}\n  next: 1 to 65535")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SettingsError("--tls-cert and --tls-key go together\n  next: name both files")
        for file in (self.tls_cert, self.tls_key):
            if file is not None and not file.is_file():
                raise SettingsError(f"{file} is no file\n  next: name certificate and key in PEM form")
        if not (1 <= self.workers <= 64 and 1 <= self.idle_minutes <= 240):
            raise SettingsError(
                f"--workers {self.workers}, --idle-minutes {self.idle_minutes}\n  next: 1 to 64, and 1 to 240"
            )
        if not (self.is_secure or _is_loopback(self.host)):
            raise SettingsError(
                f"--host {self.host} would send passwords and photos in the clear"
                "\n  next: --tls-cert and --tls-key, or --behind-proxy where a proxy on this machine ends TLS"
            )
        if self.is_secure and not self.hosts:
            raise SettingsError("a server that others reach needs its name\n  next: --allow NAME, as browsers write it")

    @property
    def is_secure(self) -> bool:
        return self.tls_cert is not None or self.behind_proxy

    @property
    def reach(self) -> Reach:
        """The same as the app reads it."""
        here = () if self.is_secure else ("localhost", "127.0.0.1", "[::1]")
        return Reach((*here, *self.hosts), self.is_secure, self.behind_proxy, self.idle_minutes, self.sign_on)


def read(known: argparse.Namespace, overrides: dict[str, str]) -> None:
    """Runs what the words of ``grasp read`` ask for."""
    if overrides and known.action != "make-round":
        raise SettingsError(f"read {known.action} takes no settings (--{next(iter(overrides))})")
    refuse_without_extra()
    place, database = AppPlace(known.study), known.database or os.environ.get(DATABASE_VARIABLE)
    match known.action:
        case "serve":
            _serve(known, place, database)
        case "add-user":
            set_up(place, database)
            from grasp_psonet.reading.app.commands import add_user

            password = add_user(known.name, known.full_name or known.name, known.role)
            sys.stdout.write(f"{password}\n")
            sys.stderr.write(f"one-time password of {known.name} above; it is changed at the first sign-in\n")
        case "make-round":
            set_up(place, database)
            from grasp_psonet.stages.reading_round import make_round

            told = make_round(known.study, known.name, (_names(known.readers), _names(known.adjudicators)), overrides)
            sys.stdout.write(f"{told}\n")
            sys.stderr.write(f"next: grasp read {known.study}, and a coordinator opens the round on its page\n")
        case _:
            _look(known, place, database)


def _look(known: argparse.Namespace, place: AppPlace, database: str | None) -> None:
    """Commands on an app that is there."""
    if not place.folder.is_dir():
        from grasp_psonet.errors import StudyError

        told = f"{place.study} has no reading app yet"
        raise StudyError(f"{told}\n  next: grasp read add-user {place.study} NAME --role coordinator")
    set_up(place, database)
    from grasp_psonet.reading.app import commands

    if known.action == "verify":
        sys.stdout.write(f"{commands.prove()} entries, none changed, none missing\n")
    else:
        sys.stdout.write(f"{commands.export(known.name)}\n")


def _serve(known: argparse.Namespace, place: AppPlace, database: str | None) -> None:
    hosts = _names(known.allow)
    named = {name: getattr(known, name) for name in ("host", "port", "tls_cert", "tls_key", "behind_proxy", "workers")}
    sign_on = sign_on_of(known.oidc_issuer, known.oidc_client_id, known.oidc_claim)
    listening = Listening(**named, hosts=hosts, idle_minutes=known.idle_minutes, sign_on=sign_on)
    set_up(place, database, listening.reach)
    from grasp_psonet.reading.app.wsgi import run

    scheme = "https" if listening.tls_cert is not None else "http"
    sys.stderr.write(
        f"reading app of {place.study} at {scheme}://{listening.host}:{listening.port}/ (Ctrl-C ends it)\n"
    )
    if sign_on is not None:
        sys.stderr.write(
            f"  single sign-on by {sign_on.issuer}; register there: (address as browsers write it){sign_on.callback}\n"
        )
    run(listening)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
