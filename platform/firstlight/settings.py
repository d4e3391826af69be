"""Settings, all from the environment; docs/operations.md lists the variables."""

from pathlib import Path
from typing import Any

import django_stubs_ext
import structlog
from django.urls import reverse_lazy

from firstlight import env
from firstlight.postgres import embedded

django_stubs_ext.monkeypatch()

ROOT = Path(__file__).resolve().parents[2]
VAR_DIR = Path(env.text("VAR_DIR", str(ROOT / "var"))).resolve()

PRODUCTION = env.flag("PRODUCTION", False)
DEBUG = env.flag("DEBUG", False)
SECRET_KEY = (
    env.text("SECRET_KEY") if PRODUCTION else env.generated_secret("SECRET_KEY", kept_at=VAR_DIR / "secret_key")
)
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", *([] if PRODUCTION else ["localhost,127.0.0.1,[::1],testserver"]))
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

# --- where things are kept ------------------------------------------------------------------------------------------
EMBEDDED_POSTGRES = not env.text("DATABASE_URL", "")
DATABASE_URL = env.url(
    "DATABASE_URL", embedded.cluster(VAR_DIR).url() if EMBEDDED_POSTGRES else "", {"postgresql", "postgres"}
)  # libpq's own form, so that every option of libpq works
BROKER_URL = env.url(
    "BROKER_URL",
    "sqla+"
    + DATABASE_URL.replace("postgresql://", "postgresql+psycopg://", 1).replace(
        "postgres://", "postgresql+psycopg://", 1
    ),
    {"sqla", "redis", "rediss", "amqp", "amqps"},
)
LAKE_URL = env.url("LAKE_URL", (VAR_DIR / "lake").as_uri(), {"file", "s3", "gs", "az", "abfss"})

DATABASES = {"default": embedded.django_database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- the house ------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "firstlight.console",  # before unfold, whose templates it extends
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "firstlight.accounts",
    "firstlight.catalog",
    "firstlight.lake",
    "firstlight.events",
    "firstlight.exports",
    "firstlight.metrics",
    "firstlight.notices",
    "firstlight.objectives",
    "firstlight.snapshots",
    "firstlight.serving",
    "firstlight.tracing",
    "firstlight.demo",
    "experiments",
    "bandits",
]

# What serving knows, in the order in which it decides. Each path names a module with the verbs of snapshots.sections.
SNAPSHOT_SECTIONS = [
    "firstlight.accounts.section",
    "firstlight.accounts.client_section",
    "firstlight.catalog.section",
    "experiments.section",
    "firstlight.objectives.section",
    "bandits.section",
]

SNAPSHOT_KEY = env.text("SNAPSHOT_KEY", "")  # signs versions; empty: a key made of SECRET_KEY does
SERVERS = env.integer("SERVERS", 1, at_least=1)  # that web processes run on: each admits its share of a key's rate

# Called after the commit of every change that the audit trail records: what is changed is published.
AFTER_CHANGE = "firstlight.snapshots.publication.publish"

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "firstlight.urls"
WSGI_APPLICATION = "firstlight.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
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

AUTH_USER_MODEL = "accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = ["firstlight.console.formats"]

STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
MEDIA_ROOT = VAR_DIR / "media"

# --- security -------------------------------------------------------------------------------------------------------
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PRODUCTION
SECURE_SSL_REDIRECT = env.flag("SECURE_SSL_REDIRECT", PRODUCTION)
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]  # probes come from inside, without TLS
SECURE_HSTS_SECONDS = env.integer("SECURE_HSTS_SECONDS", 31_536_000 if PRODUCTION else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_PROXY", False) else None
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 2**20  # the contract's 4 MiB
STREAMS_URL = env.text("STREAMS_URL", "").rstrip("/")  # where clients hear of changes; empty: they ask now and then
WEB_CORES = env.cores("WEB_CORES")  # one for each web process; empty: wherever the system puts them
METRICS_NETWORKS = env.words("METRICS_NETWORKS", "127.0.0.0/8,::1/128")  # who may read /metrics

# --- API ------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "firstlight.accounts.authentication.KeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["firstlight.accounts.authentication.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["firstlight.doors.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "firstlight.doors.pagination.CursorPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS is a 405: the schema describes the API
    "EXCEPTION_HANDLER": "firstlight.doors.refusals.handle",
    "URL_FORMAT_OVERRIDE": None,  # `format` is a parameter of ours
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Firstlight",
    "DESCRIPTION": "Experiments and product discovery for e-commerce recommenders.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "Value": "firstlight.metrics.models.Value",
        "Status": "experiments.models.Status",
        "UnitKind": "experiments.models.Unit",
        "OutcomeKind": "bandits.models.Outcome.Kind",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "firstlight.openapi.complete",
    ],
}

# --- workers --------------------------------------------------------------------------------------------------------
CELERY_BROKER_URL = BROKER_URL
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True  # results are rows of ours, never Celery's
CELERY_TASK_ACKS_LATE = True  # a killed worker's task runs again: every task is idempotent
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_TIME_LIMIT = 900
CELERY_TASK_SOFT_TIME_LIMIT = 840
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat")
# A task that waited longer than its own period is dropped (`expires`): its successor does the same work.
CELERY_BEAT_SCHEDULE = {
    name: {"task": task, "schedule": seconds, "options": {"expires": max(seconds, 10)}}
    for name, task, seconds in [
        ("flush the inbox", "firstlight.events.tasks.flush", 5.0),
        ("measure the scenarios", "firstlight.metrics.tasks.measure_scenarios", 300.0),
        ("analyse the experiments", "experiments.tasks.analyse_running", 3600.0),
        ("start the scheduled experiments", "experiments.tasks.start_scheduled", 60.0),
        ("ramp the experiments", "experiments.tasks.ramp", 600.0),
        ("learn", "bandits.tasks.learn_running", 600.0),
        ("graduate", "bandits.tasks.graduate_running", 600.0),
        ("look at the campaigns", "bandits.tasks.look_at_running", 3600.0),
        ("publish", "firstlight.snapshots.tasks.publish", 30.0),
        ("compact the lake", "firstlight.lake.tasks.compact", 3600.0),
        ("prepare and retire inbox days", "firstlight.events.tasks.keep_inbox", 3600.0),
        ("forget delivered messages", "firstlight.events.tasks.forget_messages", 3600.0),
        ("forget old snapshots", "firstlight.snapshots.tasks.forget_old", 86_400.0),
        ("tend the exports", "firstlight.exports.tasks.tend", 300.0),
        ("deliver the notices that wait", "firstlight.notices.tasks.deliver_due", 60.0),
        ("forget old deliveries", "firstlight.notices.tasks.forget_deliveries", 86_400.0),
    ]
}

# --- engine ---------------------------------------------------------------------------------------------------------
ENGINE = env.choice("ENGINE", "duckdb", {"duckdb"})
ENGINE_MEMORY = env.text("ENGINE_MEMORY", "4GB")
BASE_CURRENCY = env.text("BASE_CURRENCY", "USD")  # what rates are entered in; fixed once there are any
READINGS_DIR = VAR_DIR / "readings"  # what a look has read, for the next to go on from; it may be deleted at any time
INBOX_KEEP_DAYS = env.integer("INBOX_KEEP_DAYS", 4, at_least=4)  # sending again is harmless for 72 hours

# --- exports --------------------------------------------------------------------------------------------------------
EXPORT_DIR = Path(env.text("EXPORT_DIR", str(VAR_DIR / "exports"))).resolve()
# What can be exported: each path names a module with `SOURCES` of exports.sources.
EXPORT_SOURCES = ["experiments.exports", "bandits.exports", "firstlight.events.exports", "firstlight.tracing.exports"]

# --- notices --------------------------------------------------------------------------------------------------------
PUBLIC_URL = env.text("PUBLIC_URL", "")  # of this site, for links in e-mails
WEBHOOK_NETWORKS = env.networks("WEBHOOK_NETWORKS")  # private networks that webhooks may reach; none by default
EMAIL_HOST = env.text("EMAIL_HOST", "localhost")
EMAIL_PORT = env.integer("EMAIL_PORT", 25, at_least=1, at_most=65_535)
EMAIL_HOST_USER = env.text("EMAIL_HOST_USER", "")
EMAIL_HOST_PASSWORD = env.text("EMAIL_HOST_PASSWORD", "")
_encryption = env.choice("EMAIL_ENCRYPTION", "none", {"none", "starttls", "tls"})
EMAIL_USE_TLS, EMAIL_USE_SSL = _encryption == "starttls", _encryption == "tls"
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("EMAIL_FROM", "firstlight@localhost")
if not PRODUCTION and not env.text("EMAIL_HOST", ""):  # at a desk letters become files
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = VAR_DIR / "mail"

# --- logs -----------------------------------------------------------------------------------------------------------
_stamp: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.format_exc_info,
    structlog.processors.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_stamp,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.JSONRenderer(),
            "foreign_pre_chain": _stamp,
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": env.text("LOG_LEVEL", "INFO")},
}
DJANGO_STRUCTLOG_USER_ID_FIELD = "pk"

# --- admin ----------------------------------------------------------------------------------------------------------
# Who tells the page of a metric what was found by it: each path as metrics.usage says.
METRIC_USAGE = ["experiments.metric_usage.usage"]
# What the first page shows, in this order: each path names a function (request) -> console.dashboard.Panel.
DASHBOARD_PANELS = ["firstlight.console.pipeline.panel", "experiments.panel.panel", "bandits.panel.panel"]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Firstlight",
    "SITE_HEADER": "Firstlight",
    "SITE_SUBHEADER": "Experiments and discovery",
    "SITE_SYMBOL": "wb_twilight",
    "SITE_URL": "",
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "8px",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "firstlight.console.theme.favicon"}],
    "STYLES": ["firstlight.console.theme.stylesheet"],
    "SCRIPTS": ["firstlight.console.theme.script"],
    "COLORS": {"primary": "firstlight.console.theme.primary"},
    "DASHBOARD_CALLBACK": "firstlight.console.dashboard.fill",
    "SIDEBAR": {"show_search": True, "navigation": "firstlight.console.navigation.sidebar"},
    "COMMAND": {"search_models": True},
}
