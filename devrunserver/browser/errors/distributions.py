"""What to install for a module that is missing."""

from __future__ import annotations

from pathlib import Path

# Where a distribution's name is not the module's own: popular ones, and those that Django's documentation names.
DISTRIBUTIONS = {
    "allauth": "django-allauth",
    "anymail": "django-anymail",
    "attr": "attrs",
    "axes": "django-axes",
    "bs4": "beautifulsoup4",
    "cachalot": "django-cachalot",
    "ckeditor": "django-ckeditor",
    "compressor": "django-compressor",
    "corsheaders": "django-cors-headers",
    "crispy_bootstrap5": "crispy-bootstrap5",
    "crispy_forms": "django-crispy-forms",
    "csp": "django-csp",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "dbbackup": "django-dbbackup",
    "debug_toolbar": "django-debug-toolbar",
    "decouple": "python-decouple",
    "django_celery_beat": "django-celery-beat",
    "django_celery_results": "django-celery-results",
    "django_extensions": "django-extensions",
    "django_filters": "django-filter",
    "django_htmx": "django-htmx",
    "django_redis": "django-redis",
    "django_tables2": "django-tables2",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "drf_spectacular": "drf-spectacular",
    "drf_yasg": "drf-yasg",
    "environ": "django-environ",
    "fitz": "PyMuPDF",
    "git": "GitPython",
    "guardian": "django-guardian",
    "hijack": "django-hijack",
    "import_export": "django-import-export",
    "jose": "python-jose",
    "jwt": "PyJWT",
    "ldap": "python-ldap",
    "magic": "python-magic",
    "memcache": "python-memcached",
    "model_utils": "django-model-utils",
    "modelcluster": "django-modelcluster",
    "modeltranslation": "django-modeltranslation",
    "mptt": "django-mptt",
    "MySQLdb": "mysqlclient",
    "ninja": "django-ninja",
    "OpenSSL": "pyOpenSSL",
    "phonenumber_field": "django-phonenumber-field",
    "PIL": "pillow",
    "pkg_resources": "setuptools",
    "polymorphic": "django-polymorphic",
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "pythonjsonlogger": "python-json-logger",
    "rest_framework": "djangorestframework",
    "rest_framework_simplejwt": "djangorestframework-simplejwt",
    "reversion": "django-reversion",
    "rosetta": "django-rosetta",
    "sass": "libsass",
    "sentry_sdk": "sentry-sdk",
    "silk": "django-silk",
    "simple_history": "django-simple-history",
    "sklearn": "scikit-learn",
    "slugify": "python-slugify",
    "social_django": "social-auth-app-django",
    "sorl": "sorl-thumbnail",
    "storages": "django-storages",
    "taggit": "django-taggit",
    "template_partials": "django-template-partials",
    "treebeard": "django-treebeard",
    "two_factor": "django-two-factor-auth",
    "waffle": "django-waffle",
    "widget_tweaks": "django-widget-tweaks",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}
# Popular modules whose distribution has their own name.
# fmt: off
SAME_NAME = frozenset({
    "aiohttp", "asgiref", "boto3", "botocore", "celery", "channels", "cryptography", "daphne",
    "elasticsearch", "faker", "freezegun", "graphene", "graphene_django", "gunicorn", "httpx", "jinja2",
    "kombu", "lxml", "markdown", "matplotlib", "numpy", "openpyxl", "orjson", "pandas", "passlib",
    "phonenumbers", "psutil", "pydantic", "pymysql", "pytest", "pytz", "redis", "reportlab", "requests",
    "rich", "scipy", "selenium", "sqlparse", "stripe", "structlog", "tqdm", "uvicorn", "wagtail", "watchdog",
    "weasyprint", "werkzeug", "whitenoise", "xlsxwriter",
})
# fmt: on
# How a project that has this file adds a dependency.
INSTALLERS = (
    ("uv.lock", "uv add {}"),
    ("poetry.lock", "poetry add {}"),
    ("pdm.lock", "pdm add {}"),
    ("Pipfile", "pipenv install {}"),
)
DEFAULT_INSTALLER = "python -m pip install {}"
REQUIREMENTS = ("requirements.txt", "requirements/local.txt", "requirements/dev.txt", "requirements-dev.txt")


def distribution_of(module: str) -> str:
    """What brings a module; empty if that is not known."""
    top = module.partition(".")[0]
    if name := DISTRIBUTIONS.get(top):
        return name
    return top.replace("_", "-") if top in SAME_NAME else ""


def install_command(distribution: str, root: Path) -> str:
    """The command to install it, in the way of the project in this directory.

    What a list of requirements there names already is installed with the whole list: it is as the project wants it.
    """
    wanted = distribution.partition("[")[0].lower().replace("_", "-")
    for name in REQUIREMENTS:
        if wanted in _requirements(root / name):
            return DEFAULT_INSTALLER.format(f"-r {name}")
    for file, command in INSTALLERS:
        if (root / file).exists():
            return command.format(distribution)
    quoted = f"'{distribution}'" if "[" in distribution else distribution
    return DEFAULT_INSTALLER.format(quoted)


def _requirements(path: Path) -> set[str]:
    """The names in a list of requirements, in lower case and with hyphens."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return set()
    names = set()
    for line in lines:
        name = line.strip().lower().replace("_", "-")
        for mark in "[;<>=!~@ #":
            name = name.partition(mark)[0]
        names.add(name)
    return names
