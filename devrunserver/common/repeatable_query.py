"""Whether a statement can be asked again, by what it says: pure."""

from __future__ import annotations

import re

READING = re.compile(r"\s*(SELECT|WITH|VALUES|SHOW)\b", re.I)
# What changes something, locks it, tells the time, or is a variable of MySQL's
CHANGING = re.compile(
    r"""\b(INSERT|UPDATE|DELETE|MERGE|INTO|SHARE|(?:CURRENT|UTC)_(?:DATE|TIME\w*)|LOCALTIME\w*)\b
    |'(?:now|today|tomorrow|yesterday)'|(?<!\w)@@?[\w`']|/\*!""",
    re.I | re.VERBOSE,
)
CALL = re.compile(r"([\w.]+[\"`]?)\s*\(")
# What stands before a parenthesis and is no function, types among them
WORDS = re.compile(
    r"""all|and|any|array|as|between|by|case|cast|distinct|else|except|exists|filter|from|group|having|in|intersect|join
    |lateral|like|limit|not|offset|on|or|order|over|partition|row|select|some|then|union|using|values|when|where|with
    |within|binary|char|character|datetime|decimal|numeric|varchar|varying|time|timestamp|timestamptz""",
    re.VERBOSE,
)
# Functions that answer the same for as long as what is stored is the same, whoever asks
FUNCTIONS = re.compile(
    r"""abs|array_(agg|length|position|to_string)|avg|bool_(and|or)|btrim|ceil(ing)?|char_length|coalesce|concat(_ws)?
    |convert(_tz)?|count|current_(database|schemas?|setting)|database|date|date_(format|part|trunc)|day|encode|every
    |extract|field|find_in_set|first_value|floor|format(_type)?|generate_series|greatest|group_concat
    |has_\w+_privilege|hex|hour|if|ifnull|initcap|instr|isnull|json_(agg|array|contains|extract|length|object|unquote)
    |jsonb?_(agg|array_elements|build_(array|object)|object_agg|typeof)|lag|last_value|lead|least|left|length|locate
    |lower|lpad|ltrim|max|md5|microsecond|min|minute|mod|month|nullif
    |(col|obj|shobj)_description|octet_length|pg_get_\w+|pg_\w+_is_visible|position|postgis_\w+|power|quote_ident
    |quarter|(dense_)?rank|regexp_(like|replace)|repeat|replace|reverse|right|round|row_number|row_to_json|rpad|rtrim
    |second|sign|split_part|starts_with|string_agg|string_to_array|strpos|substr(ing)?|substring_index|sum
    |timestampdiff|to_(char|jsonb?|regclass|regtype)|translate|trim|trunc(ate)?|unhex|unnest|upper|version|week|weekday
    |year""",
    re.VERBOSE,
)


def is_repeatable(statement: str) -> bool:
    """Whether a query reads what is stored, and nothing else: so that it has the same answer until that changes.

    In doubt it is not: who calls a function that is not known here, or has several statements at once.
    """
    body = statement.strip().rstrip(";")
    if not READING.match(body) or ";" in body or CHANGING.search(body):
        return False
    return all(map(_is_harmless, CALL.findall(body)))


def _is_harmless(called: str) -> bool:
    name = called.lower().removeprefix("pg_catalog.")
    return WORDS.fullmatch(name) is not None or FUNCTIONS.fullmatch(name) is not None
