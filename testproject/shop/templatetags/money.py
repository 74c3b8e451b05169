from decimal import Decimal

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext

register = template.Library()


@register.filter
def euros(amount: Decimal) -> str:
    """Write a price the way the reader's language does: €9.90, 9,90 €."""
    return gettext("€%(amount)s") % {"amount": number_format(amount, decimal_pos=2)}
