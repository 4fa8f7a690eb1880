"""Django's settings, read from the environment alone; `facewatch/env.py` lists and explains the variables."""

import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from facewatch import postgres, storage_address
from facewatch.env import env

# Worker processes share the processors among them: several that each use all of them are slower than one thread each.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.str("FACEWATCH_DATA_DIR", default="data")).expanduser().resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
(DATA_DIR / "tmp").mkdir(exist_ok=True, mode=0o700)


def _secret_key() -> str:
    """Return the key of the data folder; the first caller makes it, and of several at once one wins for all."""
    path = DATA_DIR / "secret_key"
    if not path.exists():
        draft = path.with_name(f"secret_key.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64))
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()


SECRET_KEY = env.str("FACEWATCH_SECRET_KEY", default="") or _secret_key()
DEBUG = env.bool("FACEWATCH_DEBUG", default=False)
HOST = env.str("FACEWATCH_HOST", default="127.0.0.1")
PORT = env.int("FACEWATCH_PORT", default=8000)
BASE_URL = env.str("FACEWATCH_BASE_URL", default=f"http://localhost:{PORT}").rstrip("/")
_TLS = BASE_URL.startswith("https://")
ALLOWED_HOSTS = env.list(
    "FACEWATCH_ALLOWED_HOSTS",
    default=["localhost", "127.0.0.1", "[::1]", urlsplit(BASE_URL).hostname or "localhost"],
)

INSTALLED_APPS = [
    "facewatch.adminsite.FacewatchAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_filters",
    "django_htmx",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "ledger",
    "recognition",
    "alerts",
    "facewatch",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "facewatch.urls"
WSGI_APPLICATION = "facewatch.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

#: The queue lives in a file of its own: enqueueing into the database's file inside a transaction would deadlock.
QUEUE_PATH = DATA_DIR / "queue.sqlite3"
REDIS_URL = env.str("REDIS_URL", default="")

#: Seconds that a worker may take for one stage of one row; then its process is ended and the row is free again.
LEASE_SECONDS = env.int("FACEWATCH_LEASE_SECONDS", default=180)

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url("DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'facewatch.sqlite3'}")
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # WAL with immediate transactions: 0 of 800 "database is locked" with 6 processes, against 675 by default.
    _options: dict[str, Any] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    DATABASES["default"]["CONN_MAX_AGE"] = 60
elif DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":
    _options = postgres.options(
        connections=env.int("FACEWATCH_DATABASE_CONNECTIONS", default=16),
        silence_seconds=env.int("FACEWATCH_SILENCE_SECONDS", default=20),
        lease_seconds=LEASE_SECONDS,
    )
    # A connection is looked at before use.
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
else:
    _options = {}
DATABASES["default"]["OPTIONS"] = _options | DATABASES["default"].get("OPTIONS", {})
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

#: Where photos, chips, archives and pictures of searches lie; a wrong address is named by `facewatch.checks`.
STORAGE = storage_address.read(env.str("STORAGE_URL", default=""))
MEDIA_ROOT = STORAGE.folder or DATA_DIR / "media"
#: Where the proxy takes the pictures from that a view allows; empty: the view sends them itself.
ACCEL = env.str("FACEWATCH_ACCEL", default="")
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": STORAGE.backend(),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "tmp"
FILE_UPLOAD_HANDLERS = [
    "facewatch.uploads.LimitedUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "facewatch.uploads.TidyFileUploadHandler",
]
#: Those of the page that takes archives, which are larger than photos.
ARCHIVE_UPLOAD_HANDLERS = [
    "facewatch.uploads.LimitedArchiveHandler",
    "facewatch.uploads.TidyFileUploadHandler",
]
MAX_UPLOAD_BYTES = env.int("FACEWATCH_MAX_UPLOAD_MB", default=32) * 1_000_000
MAX_ARCHIVE_BYTES = env.int("FACEWATCH_MAX_ARCHIVE_MB", default=500) * 1_000_000
MAX_PIXELS = env.int("FACEWATCH_MAX_MEGAPIXELS", default=64) * 1_000_000
MAX_BACKLOG = env.int("FACEWATCH_MAX_BACKLOG", default=100_000)
#: Percent of MAX_BACKLOG; more than all of it would be no share.
OWNER_SHARE = min(env.int("FACEWATCH_OWNER_SHARE", default=10), 100)
MIN_FREE_BYTES = env.int("FACEWATCH_MIN_FREE_MB", default=500) * 1_000_000
SEARCH_TIMEOUT = env.float("FACEWATCH_SEARCH_TIMEOUT", default=15.0)
#: Seconds between two sweeps of `manage.py serve`.
SWEEP_SECONDS = env.float("FACEWATCH_SWEEP_SECONDS", default=15)
#: Seconds that a row should wait for a worker at the most, on average; see `ledger.capacity`.
TARGET_WAIT = env.float("FACEWATCH_TARGET_WAIT", default=10)
CRASH_AT = env.str("FACEWATCH_CRASH_AT", default="")
WORKERS = env.int("FACEWATCH_WORKERS", default=os.cpu_count() or 1)
ENGINE = env.str("FACEWATCH_ENGINE", default="opencv")
#: How closely photos are looked at; checked by `recognition.checks`.
DETAIL = env.str("FACEWATCH_DETAIL", default="balanced")
#: How workers hold the known faces, "exact" or "pgvector"; checked by `recognition.checks`.
GALLERY = env.str("FACEWATCH_GALLERY", default="exact")
#: Whether reviewers see how near a face is only after they have said what they see themselves.
BLIND_REVIEW = env.bool("FACEWATCH_BLIND_REVIEW", default=True)
#: Days for which a face that is "not this person" hides what looks more like it; see `alerts.rejections`.
REJECTION_DAYS = env.int("FACEWATCH_REJECTION_DAYS", default=90)
#: What a consumer calls before its workers start, so that they share the models.
WORKER_LOADS = "recognition.loaded.start"

MAIL_DIR = DATA_DIR / "mail"
if env.str("EMAIL_URL", default=""):
    vars().update(env.email_url("EMAIL_URL"))
else:
    EMAIL_BACKEND = "facewatch.mail.EmlBackend"
#: Seconds to wait for each answer of a mail server. Up to eight (greeting, EHLO, STARTTLS, EHLO, three of AUTH, RSET)
#: come before a message is handed over, so that a server that is slow each time stays within a lease.
EMAIL_TIMEOUT = LEASE_SECONDS / 9
#: "at_most_once" or "at_least_once": what becomes of a message of which nobody knows whether it arrived.
MAIL_GUARANTEE = env.str("FACEWATCH_MAIL_GUARANTEE", default="at_most_once")
#: Whether mails carry the faces themselves; otherwise links to them, behind the sign-in.
MAIL_PICTURES = env.bool("FACEWATCH_MAIL_PICTURES", default=False)
#: Minutes between two canaries, 0 for none; seconds until one is late; and whom that is mailed to.
CANARY_MINUTES = env.int("FACEWATCH_CANARY_MINUTES", default=0)
CANARY_SECONDS = env.int("FACEWATCH_CANARY_SECONDS", default=300)
OPERATORS = env.list("FACEWATCH_OPERATORS", default=[])
#: Networks inside to which webhooks may be sent, and these without TLS; checked by `alerts.checks`.
WEBHOOK_NETWORKS = env.list("FACEWATCH_WEBHOOK_NETWORKS", default=[])
#: Schemes of the URLs that Apprise may use; none switches it off.
APPRISE_SCHEMES = env.list("FACEWATCH_APPRISE_SCHEMES", default=[])
DEFAULT_FROM_EMAIL = env.str("FACEWATCH_MAIL_FROM", default="Facewatch <facewatch@localhost>")

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _TLS
SECURE_SSL_REDIRECT = _TLS
# Monitors ask the process itself, past the proxy.
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$", "^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if _TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = _TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _TLS else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_TRUSTED_ORIGINS = [BASE_URL]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "knox.auth.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["facewatch.permissions.ModelPermissions"],
    "DEFAULT_PAGINATION_CLASS": "facewatch.pagination.NewestFirst",
    "DEFAULT_FILTER_BACKENDS": ["facewatch.filtering.ListsAlone"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "facewatch.negotiation.FirstIfNoneFits",
    "DEFAULT_VERSIONING_CLASS": None,
    "DEFAULT_METADATA_CLASS": None,
    # Whose X-Forwarded-For is believed: the proxy's that does TLS, otherwise nobody's.
    "NUM_PROXIES": 1 if _TLS else 0,
    "EXCEPTION_HANDLER": "facewatch.problems.handle",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
REST_KNOX = {"TOKEN_TTL": None, "AUTH_HEADER_PREFIX": "Token"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Facewatch",
    "DESCRIPTION": "Upload photos, know who is on them, hear of people on watch-lists.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {},
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "facewatch.schema.add_problems",
    ],
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "asked_for": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: record.args != ("Service Unavailable", "/readyz"),
        },
        "seldom": {"()": "ledger.logs.Seldom"},
    },
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {
        "handlers": ["stderr"],
        "level": env.str("FACEWATCH_LOG_LEVEL", default="INFO").upper(),
    },
    "loggers": {
        # One line a consumer's polling or start-up step is noise; its warnings are not.
        "huey": {"level": "WARNING"},
        "huey.consumer.Worker": {"filters": ["seldom"]},
        "huey.consumer.Scheduler": {"filters": ["seldom"]},
        # That a worker is missing is the answer of /readyz, which monitors ask for often, and no error of the server.
        "django.request": {"filters": ["asked_for"]},
    },
}
