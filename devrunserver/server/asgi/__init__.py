"""Applications by ASGI: HTTP and WebSockets on one asyncio loop, behind the connections of the server."""
