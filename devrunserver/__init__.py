"""Django's development server as it should be: ``manage.py runserver``, replaced by one line in INSTALLED_APPS."""
