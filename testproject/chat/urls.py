from django.urls import path
from django.views.generic import TemplateView

urlpatterns = [path("chat/<slug:room>/", TemplateView.as_view(template_name="chat/room.html"))]
