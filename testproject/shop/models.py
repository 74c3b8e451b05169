from decimal import Decimal

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

MOST_COPIES = 20


class Author(models.Model):
    name = models.CharField(_("name"), max_length=100, unique=True)

    class Meta:
        ordering = ("name",)
        verbose_name = _("author")
        verbose_name_plural = _("authors")

    def __str__(self) -> str:
        return self.name


class Book(models.Model):
    title = models.CharField(_("title"), max_length=200)
    slug = models.SlugField(unique=True)
    author = models.ForeignKey(Author, models.PROTECT, related_name="books", verbose_name=_("author"))
    year = models.PositiveSmallIntegerField(_("year"))
    price = models.DecimalField(_("price"), max_digits=6, decimal_places=2)
    summary = models.TextField(_("summary"))
    cover = models.FileField(_("cover"), upload_to="covers", blank=True)

    class Meta:
        ordering = ("year", "title")
        verbose_name = _("book")
        verbose_name_plural = _("books")

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return reverse("shop:book", args=[self.slug])


class Order(models.Model):
    book = models.ForeignKey(Book, models.PROTECT, related_name="orders", verbose_name=_("book"))
    name = models.CharField(_("your name"), max_length=100)
    email = models.EmailField(_("email address"))
    copies = models.PositiveSmallIntegerField(
        _("copies"), default=1, validators=[MinValueValidator(1), MaxValueValidator(MOST_COPIES)]
    )
    placed = models.DateTimeField(_("placed"), auto_now_add=True)

    class Meta:
        ordering = ("-placed",)
        verbose_name = _("order")
        verbose_name_plural = _("orders")

    def __str__(self) -> str:
        return f"{self.book} ({self.copies})"

    @property
    def total(self) -> Decimal:
        return self.copies * self.book.price
