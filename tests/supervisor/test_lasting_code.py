"""Which sources are a reason to set up all apps in the supervisor."""

from __future__ import annotations

from pathlib import Path

import pytest

from devrunserver.supervisor import lasting_code

ASKS = 'if os.environ.get("RUN_MAIN"):\n'
LOCKS = "import fcntl\n"


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, ""),
        ({"own/shop/apps.py": "class ShopConfig: ...\n"}, ""),
        ({"own/shop/apps.py": ASKS}, "own/shop/apps.py"),
        ({"own/shop/jobs.py": ASKS}, "own/shop/jobs.py"),
        ({"own/shop/jobs.py": "from django.utils.autoreload import DJANGO_AUTORELOAD_ENV\n"}, "own/shop/jobs.py"),
        ({"own/shop/jobs.py": LOCKS}, "own/shop/jobs.py"),
        ({"own/shop/jobs.py": "s.bind(('127.0.0.1', 47200))\n"}, "own/shop/jobs.py"),
        ({"own/shop/jobs.py": "subprocess.Popen(['npm', 'run', 'dev'])\n"}, "own/shop/jobs.py"),
        ({"own/shop/jobs.py": "threading.Thread(target=work).start()\n"}, ""),
        ({"own/manage.py": ASKS}, ""),
        ({"own/shop/notes.txt": ASKS}, ""),
        ({"own/shop/tests.py": ASKS, "own/conftest.py": ASKS}, ""),
        ({"own/shop/tests/test_jobs.py": ASKS, "own/shop/management/commands/x.py": ASKS}, ""),
        ({"own/node_modules/x.py": ASKS, "own/env/pyvenv.cfg": "", "own/env/lib/x.py": ASKS}, ""),
        ({"own/build/lib/devrunserver/supervisor/lasting_code.py": ASKS}, ""),
        ({"own/devrunserver/jobs.py": ASKS}, "own/devrunserver/jobs.py"),
        ({"app/jobs.py": ASKS}, "app/jobs.py"),
        ({"app/jobs.py": LOCKS}, ""),  # many packages have a lock somewhere
        ({"app/apps.py": LOCKS}, "app/apps.py"),
    ],
)
def test_find(tmp_path: Path, files: dict[str, str], found: str) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    expected = str((tmp_path / found).resolve()) if found else ""
    assert lasting_code.find([str(tmp_path / "own")], [str(tmp_path / "app")]) == expected


def test_what_is_the_projects_own_is_searched_as_such_wherever_else_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text(LOCKS)
    assert lasting_code.find([str(tmp_path)], [str(tmp_path)])
    (tmp_path / "jobs.py").write_text("")
    read: list[str] = [path for path, _ in lasting_code._sources([str(tmp_path)] * 2, [str(tmp_path)])]
    assert read == [str(tmp_path.resolve() / "jobs.py")]


@pytest.mark.parametrize("limit", ["MOST_SOURCES", "MOST_ENTRIES"])
def test_there_are_too_many_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    for number in range(3):
        (tmp_path / f"{number}.py").touch()
    monkeypatch.setattr(lasting_code, limit, 3)
    assert lasting_code.find([str(tmp_path)], []) == ""
    monkeypatch.setattr(lasting_code, limit, 2)
    assert lasting_code.find([str(tmp_path)], []) == lasting_code.TOO_MANY


def test_a_source_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere")
    assert lasting_code.find([str(tmp_path)], []) == str(tmp_path.resolve() / "gone.py")


def test_ours_is_not_searched() -> None:
    assert lasting_code.find([str(Path(lasting_code.__file__).parents[1])], []) == ""
