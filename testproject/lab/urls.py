from django.urls import path

from . import views

app_name = "lab"

urlpatterns = [
    path("slow/", views.slow, name="slow"),
    path("stream/", views.stream, name="stream"),
    path("events/", views.events, name="events"),
    path("fail/", views.fail, name="fail"),
    path("breakpoint/", views.pause, name="breakpoint"),
    path("echo/", views.echo, name="echo"),
]
