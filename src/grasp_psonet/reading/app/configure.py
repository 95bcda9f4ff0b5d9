"""Django set up for one study: its database, its key and how it is reached. Django knows one set of settings a process."""

import importlib.util
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from grasp_psonet.errors import SettingsError
from grasp_psonet.reading.app.sign_on_settings import refuse_without_sign_on, with_sign_on
from grasp_psonet.reading.place import AppPlace, refuse_network_disk
from grasp_psonet.reading.sign_on import SignOn

_PAGES = "grasp_psonet.reading.app"
_NEEDED = ("django", "axes", "whitenoise", "gunicorn")


@dataclass(frozen=True)
class Reach:
    """How browsers reach the app. ``hosts``: names they may ask for; ``is_secure``: they come by HTTPS, here or at a proxy;
    ``sign_on``: who else than the app itself may say who somebody is."""

    hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "[::1]")
    is_secure: bool = False
    behind_proxy: bool = False
    idle_minutes: int = 20
    sign_on: SignOn | None = None


def refuse_without_extra() -> None:
    """Raises SettingsError where the packages of the extra are not installed."""
    if lacking := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        raise SettingsError(
            f"grasp read needs {', '.join(lacking)}, which are not installed\n  next: pip install 'grasp-psonet[reading]'"
        )


def set_up(place: AppPlace, database_url: str | None = None, reach: Reach | None = None) -> None:
    """Configures Django for a study's app and loads it; a second call in a process points it to another study.

    ``database_url``: postgresql://USER:PASSWORD@HOST/NAME; without it SQLite in the app's folder. Raises SettingsError,
    StudyError (no study, or SQLite on a network disk), FileError.
    """
    refuse_without_extra()
    place.make()
    if database_url is None:
        refuse_network_disk(place.folder)
    reach = reach or Reach()
    own = _settings(place, _database(place, database_url), reach)
    if reach.sign_on is not None:
        refuse_without_sign_on()
        own = with_sign_on(own, reach.sign_on)
    import django
    from django.conf import settings
    from django.db import connections

    if not settings.configured:
        settings.configure(**own)
        django.setup()
        return
    connections.close_all()
    for name, value in own.items():
        setattr(settings, name, value)
    told = connections.settings["default"]
    told.update(own["DATABASES"]["default"])
    if connections["default"].vendor != ("postgresql" if database_url else "sqlite"):
        del connections["default"]
    else:
        connections["default"].settings_dict.update(told)


def _database(place: AppPlace, url: str | None) -> dict[str, Any]:
    if url is None:
        begin = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
        options = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": begin}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(place.database), "OPTIONS": options}
    parts = urlsplit(url)
    wanted = "wanted: postgresql://USER:PASSWORD@HOST:PORT/NAME"
    try:
        port = parts.port
    except ValueError:
        raise SettingsError(f"the port of the database's URL is no number; {wanted}") from None
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise SettingsError(f"the database's URL begins with {parts.scheme or 'nothing'!r}; {wanted}")
    if importlib.util.find_spec("psycopg") is None:
        raise SettingsError("PostgreSQL needs psycopg\n  next: pip install 'grasp-psonet[reading-postgresql]'")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(port or ""),
        "OPTIONS": {},  # none of another database that this process worked on before
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


def _settings(place: AppPlace, database: dict[str, Any], reach: Reach) -> dict[str, Any]:
    return {
        "SECRET_KEY": place.key().decode("ascii"),
        "DATABASES": {"default": database},
        "ALLOWED_HOSTS": list(reach.hosts),
        "GRASP_PLACE": place,
        "GRASP_IDLE_SECONDS": 60 * reach.idle_minutes,
        "GRASP_SIGN_ON": reach.sign_on,
        "ROOT_URLCONF": f"{_PAGES}.urls",
        "INSTALLED_APPS": [
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.staticfiles",
            "axes",
            f"{_PAGES}.apps.ReadingConfig",
        ],
        "MIDDLEWARE": [
            "django.middleware.security.SecurityMiddleware",
            f"{_PAGES}.middleware.headers",
            "whitenoise.middleware.WhiteNoiseMiddleware",
            f"{_PAGES}.middleware.plain_requests",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            f"{_PAGES}.middleware.idle_time",
            f"{_PAGES}.middleware.first_password",
            "axes.middleware.AxesMiddleware",
        ],
        "TEMPLATES": [
            {
                "BACKEND": "django.template.backends.django.DjangoTemplates",
                "APP_DIRS": True,
                "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
            }
        ],
        "AUTH_USER_MODEL": "reading.User",
        "LOGIN_URL": "sign-in",
        "USE_TZ": True,
        "TIME_ZONE": "UTC",
        "STATIC_URL": "/static/",
        "WHITENOISE_USE_FINDERS": True,
        "WHITENOISE_MAX_AGE": 3600,
        "LOGGING_CONFIG": None,
        "DATA_UPLOAD_MAX_MEMORY_SIZE": 256 * 1024,
        "DATA_UPLOAD_MAX_NUMBER_FIELDS": 2000,
        "FILE_UPLOAD_HANDLERS": [],
        "CSRF_FAILURE_VIEW": f"{_PAGES}.pages.faults.csrf",
        **_security(reach),
    }


def _security(reach: Reach) -> dict[str, Any]:
    validators = ("UserAttributeSimilarity", "CommonPassword", "NumericPassword")
    known: list[dict[str, Any]] = [
        {"NAME": f"django.contrib.auth.password_validation.{name}Validator"} for name in validators
    ]
    known[0]["OPTIONS"] = {"user_attributes": ("username", "full_name"), "max_similarity": 0.6}
    length = {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}}
    return {
        "AUTHENTICATION_BACKENDS": ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"],
        "AUTH_PASSWORD_VALIDATORS": [length, *known],
        "AXES_FAILURE_LIMIT": 5,
        "AXES_COOLOFF_TIME": 0.25,  # hours
        "AXES_LOCKOUT_PARAMETERS": ["username"],
        "AXES_RESET_ON_SUCCESS": True,
        "AXES_ENABLE_ADMIN": False,
        "AXES_ENABLE_ACCESS_FAILURE_LOG": False,
        "AXES_DISABLE_ACCESS_LOG": True,  # the trail keeps both
        "AXES_LOCKOUT_CALLABLE": f"{_PAGES}.pages.faults.locked_out",
        "AXES_VERBOSE": False,
        "SESSION_COOKIE_AGE": 12 * 3600,
        "SESSION_EXPIRE_AT_BROWSER_CLOSE": True,
        "SESSION_COOKIE_SECURE": reach.is_secure,
        "SESSION_COOKIE_SAMESITE": "Strict",
        "SESSION_COOKIE_HTTPONLY": True,
        "CSRF_COOKIE_SECURE": reach.is_secure,
        "CSRF_COOKIE_SAMESITE": "Strict",
        "CSRF_COOKIE_HTTPONLY": True,
        "CSRF_TRUSTED_ORIGINS": [f"https://{host}" for host in reach.hosts] if reach.is_secure else [],
        "SECURE_HSTS_SECONDS": 31536000 if reach.is_secure else 0,
        "SECURE_REFERRER_POLICY": "same-origin",
        "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https") if reach.behind_proxy else None,
        "X_FRAME_OPTIONS": "DENY",
    }
