"""Fill the shelves, so that the shop has something to show right after ``migrate``."""

from django.db import migrations

BOOKS = [
    (
        "Pride and Prejudice",
        "pride-and-prejudice",
        "Jane Austen",
        1813,
        "9.90",
        "Elizabeth Bennet and Mr Darcy take most of a year to find out how wrong they were about each other.",
    ),
    (
        "Frankenstein",
        "frankenstein",
        "Mary Shelley",
        1818,
        "8.50",
        "A student gives life to a creature and then refuses to be responsible for it.",
    ),
    (
        "Jane Eyre",
        "jane-eyre",
        "Charlotte Brontë",
        1847,
        "11.00",
        "A governess falls in love with the master of a house that keeps a secret in the attic.",
    ),
    (
        "Moby-Dick",
        "moby-dick",
        "Herman Melville",
        1851,
        "14.00",
        "Captain Ahab hunts the white whale that took his leg, and takes his whole crew along.",
    ),
    (
        "Journey to the Centre of the Earth",
        "journey-to-the-centre-of-the-earth",
        "Jules Verne",
        1864,
        "9.20",
        "Professor Lidenbrock deciphers a note in runes and climbs down into a volcano in Iceland.",
    ),
    (
        "Alice's Adventures in Wonderland",
        "alices-adventures-in-wonderland",
        "Lewis Carroll",
        1865,
        "7.90",
        "A girl follows a rabbit in a waistcoat down its hole and meets little that makes sense.",
    ),
    (
        "Crime and Punishment",
        "crime-and-punishment",
        "Fyodor Dostoevsky",
        1866,
        "13.50",
        "A poor student believes that he may kill; his conscience disagrees.",
    ),
    (
        "Treasure Island",
        "treasure-island",
        "Robert Louis Stevenson",
        1883,
        "8.00",
        "Jim Hawkins finds a map in a dead man's chest and goes to sea with Long John Silver.",
    ),
    (
        "The Time Machine",
        "the-time-machine",
        "H. G. Wells",
        1895,
        "7.50",
        "An inventor travels to the year 802,701 and finds that mankind has split in two.",
    ),
    (
        "Dracula",
        "dracula",
        "Bram Stoker",
        1897,
        "10.40",
        "A solicitor visits a client in Transylvania who would like to move to London.",
    ),
    (
        "The War of the Worlds",
        "the-war-of-the-worlds",
        "H. G. Wells",
        1898,
        "8.20",
        "Martians land in Surrey and are stopped by the smallest inhabitants of the Earth.",
    ),
    (
        "The Metamorphosis",
        "the-metamorphosis",
        "Franz Kafka",
        1915,
        "6.80",
        "Gregor Samsa wakes up as a monstrous vermin and worries about being late for work.",
    ),
]


def add_books(apps, schema_editor):
    Author = apps.get_model("shop", "Author")
    Book = apps.get_model("shop", "Book")
    for title, slug, author, year, price, summary in BOOKS:
        values = {
            "title": title,
            "author": Author.objects.get_or_create(name=author)[0],
            "year": year,
            "price": price,
            "summary": summary,
        }
        Book.objects.get_or_create(slug=slug, defaults=values)


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]

    operations = [migrations.RunPython(add_books, migrations.RunPython.noop)]
