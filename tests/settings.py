"""Settings for the tests that run Django in their own process. The live tests run a copy of ``testproject``."""

SECRET_KEY = "tests"
DEBUG = True
ALLOWED_HOSTS: list[str] = []
INSTALLED_APPS = ["devrunserver", "django.contrib.contenttypes", "django.contrib.auth", "django.contrib.staticfiles"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "tests.urls"
STATIC_URL = "/static/"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
