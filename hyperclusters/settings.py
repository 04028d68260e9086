"""Every setting of the dashboard, read once from the environment. A missing or malformed one stops the start and is named.

| variable | meaning | default |
|---|---|---|
| SECRET_KEY | Django's signing key, 50 characters or more | required; the demo creates one |
| CREDENTIAL_KEYS | Fernet keys for project credentials, newest first, separated by commas | required; the demo creates one |
| AUDIT_KEYS | keys of the audit's chain as `id:base64`, separated by commas; old ones stay; `activate_audit_key` chooses the current one | required; the demo creates one |
| AUDIT_ANCHORS | file to which workers write the audit's state every hour; best on another machine's disk | `audit-anchors.jsonl` in DATA_DIR |
| AUDIT_ANCHORS_COPY | second such file, on another disk, in case one is lost | none |
| AUDIT_ARCHIVE | folder of archived audit events; web and workers only read it | `audit-archive` in DATA_DIR |
| AUDIT_VERIFY_HOURS | hours between two verifications of the whole audit | `24` |
| AUDIT_STDOUT | `1`: the worker prints each audit event as a line of JSON, for log shippers | `0` |
| AUDIT_WEBHOOK | address to which the worker posts audit events; https, except to this machine | none |
| AUDIT_WEBHOOK_KEY | signs what is posted there, 32 characters or more | required with AUDIT_WEBHOOK |
| DATABASE_URL | `postgres://…`, or `sqlite:///` and a path, taken literally | SQLite file in DATA_DIR |
| SOURCE_DATABASE_URL | for `manage.py copy_database`: the database to copy from | none |
| APP_DATABASE_URL | for `manage.py database_roles`, run as the owner: the database URL of web and workers | none |
| DATA_DIR | folder for the SQLite file and collected static files | `data` (`.demo` in the demo) |
| STATIC_ROOT | folder into which static files are collected | `static` in DATA_DIR |
| ALLOWED_HOSTS | host names that it serves, separated by commas | `localhost,127.0.0.1` |
| CSRF_TRUSTED_ORIGINS | origins allowed to post, such as `https://clusters.example.com` | none |
| SITE_URL | the address for links in mails, such as `https://clusters.example.com` | from HTTPS and the first of ALLOWED_HOSTS, which must then be a complete host name |
| EMAIL_URL | mail server: `smtp://user:password@host:587`, `smtp+tls://…`, `consolemail://` (printed), `dummymail://` (none) | `dummymail://` (in the demo: files in `mail` in DATA_DIR) |
| EMAIL_FROM | sender of mails | `hyperclusters@localhost` |
| MESSAGE_HOSTS | hosts to which chat messages may go, such as `slack=hooks.slack.com, feishu=open.feishu.cn`: `feishu`, `dingtalk`, `wecom`, `slack`; empty turns messages off | the services' own hosts |
| HTTPS | `1` if people use https: secure cookies, HSTS | `1` (`0` in the demo) |
| HSTS_SECONDS | seconds for which browsers insist on https after a visit; 0 turns it off | `63072000` (two years) |
| HSTS_SUBDOMAINS | `1` includes every subdomain of this host | `0` |
| HSTS_PRELOAD | `1` allows this host in browsers' preload lists; needs HSTS_SUBDOMAINS and a year or more | `0` |
| SESSION_IDLE | seconds without use after which a person is signed out; polling does not count as use | `1800` |
| SESSION_LIMIT | seconds after sign-in at which a person is signed out in any case | `43200` |
| SECOND_FACTOR | `1` requires an authenticator app or a passkey from platform admins and auditors | `1` (`0` in the demo) |
| OIDC_ISSUER | the company's OpenID Connect issuer, such as `https://id.example.com`; its callback is `/accounts/company/callback/` | none: no company sign-in |
| OIDC_CLIENT_ID | this dashboard's client ID there | required with OIDC_ISSUER |
| OIDC_CLIENT_SECRET | its client secret there | required with OIDC_ISSUER |
| OIDC_NAME | its name on the button "Sign in with …" | `the company account` |
| OIDC_SCOPES | scopes to request, separated by spaces | `openid profile email` |
| OIDC_GROUPS_CLAIM | the claim that lists a person's groups, or the path to it, such as `realm_access.roles` | `groups` |
| OIDC_GROUP_ROLES | which group gives which role, such as `ml-vision=vision:creator, audit=auditor`: a team by its slug, or a site role; a group with a comma in double quotes, `"CN=ML,OU=Groups"=vision:viewer` | none |
| OIDC_MAX_AGE | hours after which people without a password here must sign in at the company again, even with a passkey | `24` |
| TRUSTED_PROXIES | number of proxies in front that append to X-Forwarded-For | `0` |
| UPSTREAM_HOSTS | hosts that a project's endpoint may have, `*.` for subdomains | the vendor's two domains |
| METADATA_ENDPOINT | on a cloud machine `http://169.254.169.254`: projects may use the machine's agency as their key | none: they may not |
| UPSTREAM_DEADLINE | seconds that one call to the cloud may take in total | `30` |
| UPSTREAM_CONNECT_TIMEOUT | seconds to connect to the cloud | `5` |
| UPSTREAM_LIST_MIB | largest list of clusters in MiB: 8 is enough for about 20,000 clusters; other answers may have 1 MiB | `8` |
| UPSTREAM_PROCESSING_BOUND | seconds for which the cloud may still act on a request accepted at the last moment | `300` |
| UPSTREAM_SKEW_MARGIN | seconds by which the cloud's clock and ours may differ | `60` |
| SYNC_INTERVAL | seconds between two lists of one project and type | `60` |
| WRITES_PER_MINUTE | creates and deletes sent per project, over all workers | `300` |
| CREATIONS_PER_MINUTE | creations that one person may request, over all processes; 0 for no limit | `300` |
| SEARCHES_PER_MINUTE | searches one person may make, per web process; 0 for no limit | `1200` |
| EXPORTS_PER_MINUTE | exports one person may begin, per web process; 0 for no limit | `30` |
| API_REQUESTS_PER_MINUTE | requests that one API token may make, over all processes; 0 for no limit | `600` |
| SHUTDOWN_GRACE | seconds within which a worker that is told to stop exits | `40` |
| KILL_AFTER | seconds after which your orchestrator (and the demo) kills a process that it told to stop | `60` |
| WORKER_CONCURRENCY | calls to the cloud that one worker keeps in flight, each with a database connection of its own on PostgreSQL | `64` |
| WORKER_ALIVE_FILE | file that a worker touches every 5 seconds, for an orchestrator's probe | `worker-alive` in DATA_DIR |
| BIND | address and port on which gunicorn listens | `127.0.0.1:8000` |
| WEB_PROCESSES | web processes that one gunicorn starts | `2` |
| WEB_THREADS | requests that one web process answers at a time | `8` |
| METRICS_TOKEN | 16 or more visible ASCII characters: `/metrics` needs it as a bearer token | none: `/metrics` is off |
| OTEL_EXPORTER_OTLP_ENDPOINT | where traces go (OTLP by HTTP), such as `http://localhost:4318`; needs `requirements-tracing.txt` | none: no traces |
| OTEL_SERVICE_NAME | this process's name in traces | `hyperclusters` |
| LOG_LEVEL | Python log level; the log is JSON lines on stderr (in the demo in `demo.log` in DATA_DIR) | `INFO` (`WARNING` in the demo) |
| DEBUG | `1` shows stack traces to everybody; never in production | `0` |
| DEMO | `1` for the local demo: invented people and a simulated cloud | `0` |
| DEMO_PASSWORD | the password of all the demo's people | created at the first start |
| PORT, SIMULATOR_PORT | where the demo and its simulated cloud listen | `8000`, `9000` |
| SIMULATOR_AK, SIMULATOR_SK | the demo's key for the simulated cloud | `DEMOACCESSKEY`, `demo-secret-key` |

Secrets can be in a file instead, named by SECRET_KEY_FILE and so on: SECRET_KEY, CREDENTIAL_KEYS, AUDIT_KEYS,
AUDIT_WEBHOOK_KEY, DATABASE_URL, APP_DATABASE_URL, SOURCE_DATABASE_URL, EMAIL_URL, METRICS_TOKEN, OIDC_CLIENT_SECRET.
"""

import os
import re
from pathlib import Path

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _

from hyperclusters import environment as env
from hyperclusters import logs
from hyperclusters.demo import accounts

BASE_DIR = Path(__file__).resolve().parent.parent
# Every variable of the table above, for the check that names misspelt ones.
VARIABLES = frozenset(
    re.findall(r"[A-Z_]{2,}", " ".join(re.findall(r"(?m)^\| ([A-Z_, ]+) \|", __doc__ or "")))
)

DEMO = env.flag("DEMO", default=False)
DEBUG = env.flag("DEBUG", default=False)
DATA_DIR = Path(os.environ.get("DATA_DIR") or (".demo" if DEMO else "data")).absolute()
_demo = accounts.read_secrets(DATA_DIR) if DEMO else {}

SECRET_KEY = env.required_secret(
    "SECRET_KEY", _demo, "a random text of 50 characters or more that signs cookies and forms."
)
env.check(len(SECRET_KEY) >= 50, "SECRET_KEY must have 50 characters or more.")

CREDENTIAL_KEYS = env.fernet_keys(
    env.required_secret("CREDENTIAL_KEYS", _demo, "the keys that protect project credentials.")
)
AUDIT_KEYS = env.chain_keys(
    env.required_secret("AUDIT_KEYS", _demo, "the keys that chain the audit, kept outside the database.")
)
AUDIT_ANCHORS = Path(os.environ.get("AUDIT_ANCHORS") or DATA_DIR / "audit-anchors.jsonl").absolute()
AUDIT_ANCHORS_COPY = Path(_copy).absolute() if (_copy := os.environ.get("AUDIT_ANCHORS_COPY")) else None
AUDIT_ARCHIVE = Path(os.environ.get("AUDIT_ARCHIVE") or DATA_DIR / "audit-archive").absolute()
AUDIT_VERIFY_HOURS = env.number("AUDIT_VERIFY_HOURS", 24, least=1, most=24 * 31)
AUDIT_STDOUT = env.flag("AUDIT_STDOUT", default=False)
AUDIT_WEBHOOK = env.address(
    "AUDIT_WEBHOOK",
    r"https://[^/@?#]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/|$)",
    "must be an https:// address, or http:// to this machine",
)
AUDIT_WEBHOOK_KEY = env.secret("AUDIT_WEBHOOK_KEY")
_rule = "AUDIT_WEBHOOK_KEY must have 32 characters or more where AUDIT_WEBHOOK is set."
env.check(not AUDIT_WEBHOOK or len(AUDIT_WEBHOOK_KEY) >= 32, _rule)

ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", "localhost,127.0.0.1")
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")
HTTPS = env.flag("HTTPS", default=not DEMO)
TRUSTED_PROXIES = env.number("TRUSTED_PROXIES", 0, least=0, most=10)
SITE_URL = env.site_url(
    os.environ.get("SITE_URL", "").strip()
    or (f"http://127.0.0.1:{os.environ.get('PORT') or 8000}" if DEMO else ""),
    ALLOWED_HOSTS,
    "https" if HTTPS else "http",
)

MESSAGE_HOSTS = env.message_hosts(os.environ.get("MESSAGE_HOSTS"))
UPSTREAM_HOSTS = env.words(
    "UPSTREAM_HOSTS", "127.0.0.1" if DEMO else "*.myhuaweicloud.com,*.myhuaweicloud.cn"
)
env.check(all(map(env.HOST.fullmatch, UPSTREAM_HOSTS)), "UPSTREAM_HOSTS holds something that is no host.")
METADATA_ENDPOINT = env.address(
    "METADATA_ENDPOINT", "http://", "must look like http://169.254.169.254, or be empty"
).rstrip("/")
UPSTREAM_DEADLINE = env.number("UPSTREAM_DEADLINE", 30, least=1, most=600)
UPSTREAM_CONNECT_TIMEOUT = env.number("UPSTREAM_CONNECT_TIMEOUT", 5, least=1, most=60)
UPSTREAM_LIST_MIB = env.number("UPSTREAM_LIST_MIB", 8, least=1, most=64)
UPSTREAM_PROCESSING_BOUND = env.number("UPSTREAM_PROCESSING_BOUND", 300, least=0, most=86_400)
UPSTREAM_SKEW_MARGIN = env.number("UPSTREAM_SKEW_MARGIN", 60, least=0, most=3_600)
SYNC_INTERVAL = env.number("SYNC_INTERVAL", 60, least=5, most=86_400)
WRITES_PER_MINUTE = env.number("WRITES_PER_MINUTE", 300, least=1, most=100_000)
CREATIONS_PER_MINUTE = env.number("CREATIONS_PER_MINUTE", 300, least=0, most=100_000)
SEARCHES_PER_MINUTE = env.number("SEARCHES_PER_MINUTE", 1200, least=0, most=100_000)
EXPORTS_PER_MINUTE = env.number("EXPORTS_PER_MINUTE", 30, least=0, most=100_000)
API_REQUESTS_PER_MINUTE = env.number("API_REQUESTS_PER_MINUTE", 600, least=0, most=100_000)
SHUTDOWN_GRACE = env.number("SHUTDOWN_GRACE", 40, least=1, most=3_600)
KILL_AFTER = env.number("KILL_AFTER", 60, least=1, most=7_200)
env.check(
    UPSTREAM_DEADLINE < SHUTDOWN_GRACE < KILL_AFTER,
    "UPSTREAM_DEADLINE must be less than SHUTDOWN_GRACE, and that less than KILL_AFTER: "
    "a call in flight must be able to end, and its outcome to be written down, before the process is killed.",
)
WORKER_CONCURRENCY = env.number("WORKER_CONCURRENCY", 64, least=1, most=256)
WORKER_ALIVE_FILE = Path(os.environ.get("WORKER_ALIVE_FILE") or DATA_DIR / "worker-alive").absolute()
BIND = os.environ.get("BIND") or "127.0.0.1:8000"
WEB_PROCESSES = env.number("WEB_PROCESSES", 2, least=1, most=256)
WEB_THREADS = env.number("WEB_THREADS", 8, least=1, most=256)

SESSION_IDLE = env.number("SESSION_IDLE", 30 * 60, least=60, most=86_400)
SESSION_LIMIT = env.number("SESSION_LIMIT", 12 * 3600, least=60, most=30 * 86_400)
env.check(SESSION_IDLE <= SESSION_LIMIT, "SESSION_IDLE must not be more than SESSION_LIMIT.")
SECOND_FACTOR = env.flag("SECOND_FACTOR", default=not DEMO)

OIDC_ISSUER = os.environ.get("OIDC_ISSUER", "").strip().rstrip("/")
OIDC_CLIENT_ID = os.environ.get("OIDC_CLIENT_ID", "").strip()
OIDC_CLIENT_SECRET = env.secret("OIDC_CLIENT_SECRET").strip()
OIDC_NAME = os.environ.get("OIDC_NAME", "").strip() or _("the company account")
OIDC_SCOPES = os.environ.get("OIDC_SCOPES", "").split() or ["openid", "profile", "email"]
OIDC_GROUPS_CLAIM = os.environ.get("OIDC_GROUPS_CLAIM", "").strip() or "groups"
OIDC_GROUP_ROLES = env.group_roles(os.environ.get("OIDC_GROUP_ROLES", ""))
OIDC_MAX_AGE = env.number("OIDC_MAX_AGE", 24, least=1, most=24 * 366)
env.check_oidc(
    OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET, scopes=OIDC_SCOPES, group_roles=OIDC_GROUP_ROLES
)

DEMO_PASSWORD = (os.environ.get("DEMO_PASSWORD") or _demo["DEMO_PASSWORD"]) if DEMO else ""
DEMO_TOKEN = _demo["DEMO_TOKEN"] if DEMO else ""
DEMO_PEOPLE = accounts.PEOPLE if DEMO else {}

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "hyperclusters.audit",
    "hyperclusters.access",
    "hyperclusters.accounts",
    "hyperclusters.clusters",
    "hyperclusters.web",
    *(["hyperclusters.demo"] if DEMO else []),
]

MIDDLEWARE = [
    # Outermost, so that redirects, static files, errors and streams carry the security headers too.
    "hyperclusters.web.shared.middleware.headers",
    "hyperclusters.web.shared.middleware.any_host_for_probes",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Safe beside secrets in pages: it pads answers by a random length, and form tokens are masked anew in each.
    "hyperclusters.web.shared.compression.CompressionMiddleware",
    "hyperclusters.web.shared.middleware.request_context_middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "hyperclusters.web.shared.drafts.DraftMiddleware",  # before what turns a form away
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "hyperclusters.web.shared.timing.server_timing",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "hyperclusters.web.shared.middleware.session_activity_middleware",
    "hyperclusters.web.shared.middleware.AccessMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "hyperclusters.urls"
WSGI_APPLICATION = "hyperclusters.wsgi.application"

_loaders = ["hyperclusters.web.shared.loaders.Loader", "django.template.loaders.app_directories.Loader"]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [("django.template.loaders.cached.Loader", _loaders)],
            "libraries": {"lucide": "hyperclusters.web.templatetags.hyperclusters_tags"},
            "context_processors": [
                "hyperclusters.version",
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.messages.context_processors.messages",
                "hyperclusters.web.shared.context.page",
            ],
        },
    },
    # For tables with hundreds of cells: the tag event_rows.
    {
        "BACKEND": "django.template.backends.jinja2.Jinja2",
        "NAME": "jinja2",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {"extensions": ["hyperclusters.web.shared.loaders.JinjaIndentation"]},
    },
]

DATABASES = {
    "default": env.audited_database(
        "DATABASE_URL", env.secret("DATABASE_URL") or f"sqlite:///{DATA_DIR / 'hyperclusters.sqlite3'}"
    )
}
APP_DATABASE_URL = env.secret("APP_DATABASE_URL")
_source = env.secret("SOURCE_DATABASE_URL")
SOURCE_DATABASE = env.database("SOURCE_DATABASE_URL", _source) if _source else {}
# Counts of wrong codes and the record of used ones must be shared by all web processes.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "accounts_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "access.User"
AUTHENTICATION_BACKENDS = ["hyperclusters.accounts.backends.SignedInPeople"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "web:home"
PASSWORD_RESET_TIMEOUT = 3600

ACCOUNT_ADAPTER = "hyperclusters.accounts.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
# Nobody signs up; allauth compares it with the line above.
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_RATE_LIMITS = {
    "login_failed": "5/5m/key",  # codes of the second step, by person; for passwords see accounts/lockout.py
    "reset_password": "5/5m/key,20/5m/ip",
}
MFA_ADAPTER = "hyperclusters.accounts.adapters.FactorAdapter"
MFA_FORMS = {"authenticate": "hyperclusters.accounts.forms.SecondStepForm"}
MFA_FORMS |= {"login_webauthn": "hyperclusters.accounts.forms.PasskeySignInForm"}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True  # that rule guards open sign-up, and there is none here
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = "required"
MFA_TOTP_ISSUER = "hyperclusters"
MFA_TOTP_TOLERANCE = 1
SOCIALACCOUNT_ADAPTER = "hyperclusters.accounts.adapters.CompanyAdapter"
_company = {"provider_id": "company", "name": OIDC_NAME, "settings": {"server_url": OIDC_ISSUER}}
_company |= {"client_id": OIDC_CLIENT_ID, "secret": OIDC_CLIENT_SECRET}
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "provider_class": "hyperclusters.accounts.oidc.CompanyProvider",
        "OAUTH_PKCE_ENABLED": True,
        "SCOPE": OIDC_SCOPES,
        "APPS": [_company] if OIDC_ISSUER else [],
    }
}

# `__Host-` binds a cookie to this host and to https; browsers refuse the prefix on plain http, so the demo goes without.
_cookie = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME = f"{_cookie}session"
CSRF_COOKIE_NAME = f"{_cookie}csrf"
LANGUAGE_COOKIE_NAME = f"{_cookie}language"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = LANGUAGE_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = LANGUAGE_COOKIE_SAMESITE = "Lax"
SESSION_ENGINE = "hyperclusters.accounts.sessions"
SESSION_COOKIE_AGE = SESSION_LIMIT
DEVICE_COOKIE_NAME, THEME_COOKIE_NAME = f"{_cookie}device", f"{_cookie}theme"
MESSAGES_COOKIE_NAME, DRAFT_COOKIE_NAME = f"{_cookie}messages", f"{_cookie}draft"
SECURE_HSTS_SECONDS = env.number("HSTS_SECONDS", 63_072_000, least=0, most=63_072_000 * 5) if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("HSTS_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.flag("HSTS_PRELOAD", default=False)
env.check(
    not SECURE_HSTS_PRELOAD or (SECURE_HSTS_SECONDS >= 31_536_000 and SECURE_HSTS_INCLUDE_SUBDOMAINS),
    "HSTS_PRELOAD needs HTTPS, HSTS_SUBDOMAINS and HSTS_SECONDS of 31536000 or more.",
)
SECURE_SSL_REDIRECT = HTTPS
# HSTS for subdomains and preloading bind other sites of the company: HSTS_SUBDOMAINS and HSTS_PRELOAD are theirs to set.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
# Probes and scrapers reach the process directly, without TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
CSRF_FAILURE_VIEW = "hyperclusters.web.shared.error_pages.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
MESSAGE_STORAGE = "hyperclusters.web.shared.message_storage.BoundCookie"
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200

LOG_LEVEL = os.environ.get("LOG_LEVEL", "").upper() or ("WARNING" if DEMO else "INFO")
_levels = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
env.check(LOG_LEVEL in _levels, f"LOG_LEVEL must be one of {', '.join(_levels)}, not {LOG_LEVEL!r}.")

_email_url = env.secret("EMAIL_URL") or ("" if DEMO else "dummymail://")
_email = env.mail_server(_email_url or "consolemail://")
EMAIL_BACKEND = _email["EMAIL_BACKEND"] if _email_url else "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = str(DATA_DIR / "mail")  # of the demo
EMAIL_HOST, EMAIL_PORT = _email["EMAIL_HOST"], _email["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_USER"], _email["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = "EMAIL_USE_TLS" in _email, "EMAIL_USE_SSL" in _email
EMAIL_TIMEOUT = 10  # seconds; a mail server that hangs holds one thread of a worker so long
DEFAULT_FROM_EMAIL = env.address("EMAIL_FROM", env.SENDER, "is no address") or "hyperclusters@localhost"
SENDS_MAIL = not _email_url.startswith("dummymail:")
LOGGING = logs.configuration(level=LOG_LEVEL)

_traces_address = env.address(
    "OTEL_EXPORTER_OTLP_ENDPOINT", r"https?://[^/?#@\s]+", "must be an http:// or https:// address"
)
TRACES = (os.environ.get("OTEL_SERVICE_NAME", "").strip() or "hyperclusters") if _traces_address else ""

METRICS_TOKEN = env.secret("METRICS_TOKEN")
env.check(re.fullmatch("([!-~]{16,})?", METRICS_TOKEN), "METRICS_TOKEN needs 16 visible ASCII characters.")

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "UTC"

STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = Path(os.environ.get("STATIC_ROOT") or DATA_DIR / "static").absolute()
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "hyperclusters.web.shared.static_files.MinifiedStaticFilesStorage"},
}
