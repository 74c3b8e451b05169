from django.urls import path

from . import views

app_name = "shop"

urlpatterns = [
    path("", views.book_list, name="books"),
    path("books/<slug:slug>/", views.book_detail, name="book"),
    path("books/<slug:slug>/order/", views.order, name="order"),
    path("api/books/", views.api_books, name="api"),
    path("version/", views.version, name="version"),
]
