"""What the options of HTTPS ask for."""

from __future__ import annotations

import pytest

from devrunserver.https import options
from devrunserver.https.error import HttpsError


def test_nothing_is_asked_for() -> None:
    asked = {"https": False, "cert_file": None, "key_file": None}
    assert options.certificates(asked, [], pytest.fail) is None
    assert options.describe(asked) == ""


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"key_file": "x"}, "--key-file is the key of a certificate, which --cert-file has to name."),
        ({"https": True, "key_file": "x"}, "--key-file is the key of a certificate, which --cert-file has to name."),
        ({"cert_file": "/nonexistent"}, "/nonexistent cannot be read: No such file or directory."),
    ],
)
def test_what_is_wrong_is_a_sentence(asked: dict[str, object], sentence: str) -> None:
    with pytest.raises(HttpsError) as error:
        options.certificates(asked, [], pytest.fail)
    assert str(error.value) == sentence


def test_where_there_are_no_local_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "IS_SUPPORTED", False)
    with pytest.raises(HttpsError, match="does not work on Windows yet"):
        options.certificates({"https": True}, [], pytest.fail)
