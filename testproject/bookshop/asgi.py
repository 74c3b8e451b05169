import os
from importlib.util import find_spec

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bookshop.settings")

application = get_asgi_application()

if find_spec("channels"):  # the chat is there where Channels is
    from channels.routing import ProtocolTypeRouter, URLRouter
    from channels.security.websocket import AllowedHostsOriginValidator
    from chat.routing import websocket_urlpatterns

    websockets = AllowedHostsOriginValidator(URLRouter(websocket_urlpatterns))
    application = ProtocolTypeRouter({"http": application, "websocket": websockets})
