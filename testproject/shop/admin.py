from django.contrib import admin

from .models import Author, Book, Order

admin.site.register(Author)


@admin.register(Book)
class BookAdmin(admin.ModelAdmin):
    list_display = ("title", "author", "year", "price")
    list_filter = ("author",)
    prepopulated_fields = {"slug": ("title",)}
    search_fields = ("title", "author__name")


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ("book", "copies", "name", "placed")
    date_hierarchy = "placed"
