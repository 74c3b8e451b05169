import os

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import ngettext

from .forms import OrderForm
from .marks import MARK
from .models import Book, Order


def book_list(request: HttpRequest) -> HttpResponse:
    return render(request, "shop/book_list.html", {"books": Book.objects.select_related("author")})


def book_detail(request: HttpRequest, slug: str) -> HttpResponse:
    return render(request, "shop/book_detail.html", {"book": get_object_or_404(Book, slug=slug)})


def order(request: HttpRequest, slug: str) -> HttpResponse:
    """Show the order form; store the order and go back to the book."""
    book = get_object_or_404(Book, slug=slug)
    form = OrderForm(request.POST or None, instance=Order(book=book))
    if form.is_valid():
        copies = form.save().copies
        thanks = ngettext(
            "Thank you! %(copies)d copy of “%(book)s” is on its way.",
            "Thank you! %(copies)d copies of “%(book)s” are on their way.",
            copies,
        )
        messages.success(request, thanks % {"copies": copies, "book": book})
        return redirect(book)
    return render(request, "shop/order.html", {"book": book, "form": form})


def api_books(request: HttpRequest) -> JsonResponse:
    books = Book.objects.select_related("author")
    return JsonResponse(
        {
            "books": [
                {
                    "title": book.title,
                    "author": book.author.name,
                    "year": book.year,
                    "price": book.price,
                    "url": request.build_absolute_uri(book.get_absolute_url()),
                }
                for book in books
            ]
        }
    )


def version(request: HttpRequest) -> HttpResponse:
    """Tell which code and which process answered."""
    return HttpResponse(f"{MARK} {os.getpid()}\n", content_type="text/plain; charset=utf-8")
