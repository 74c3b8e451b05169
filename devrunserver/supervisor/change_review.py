"""The changes that wait to be acted on: which of them count, and when to act.

Theory of operation
-------------------
The first event acts at once, with three exceptions, each with a bound:

- a *deleted* source file may come back at once: some editors save by deleting and writing anew;
- a *git operation* that changes source files goes on until its lock is gone;
- an event that brings nothing new is dropped: one save causes several events, told apart by the state
  of the file (mtime in nanoseconds, size, inode) that we saw last.

What is due is shown to the worker, which alone knows whether it has loaded it.

Nothing here looks at the disk, waits or knows the time: states and times come in, decisions go out.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from devrunserver.common.pyc import SOURCE_SUFFIX
from devrunserver.supervisor.watching.polling import Snapshot, Token

DELETION_PATIENCE = 0.15  # seconds for a deleted file to come back
VERDICT_PATIENCE = 0.5  # seconds for a worker to say whether a change concerns it; a busy one is not asked twice


@dataclass
class Changes:
    """Paths that changed and were not acted on yet. Times are seconds of one clock."""

    _seen: dict[str, Token | None] = field(default_factory=dict)  # the state that was seen last
    _since: dict[str, float] = field(default_factory=dict)  # when the first event of a waiting path came
    first: float = 0.0  # when the first of them all came
    before: set[str] = field(default_factory=set)  # those that changed before the worker started

    def know(self, snapshot: Snapshot) -> None:
        """Takes the states that files have before anything happens to them."""
        self._seen = {**snapshot, **self._seen}

    def recall(self, path: str, token: Token | None, now: float, is_before: bool) -> None:
        """Takes a path that has changed a while ago.

        Args:
            is_before: the worker started after that: it has read what is new, and only open pages have not.
        """
        is_news = path in self._since and path not in self.before
        self.add(path, token, now, is_telling=False)
        if is_before and not is_news:
            self.before.add(path)

    def add(self, path: str, token: Token | None, now: float, is_telling: bool = True) -> None:
        """Takes an event for a path whose state is now ``token`` (None: there is no such file).

        Args:
            is_telling: whether any other content would have given another state; not so right after a file was
                written, as many file systems' clocks stand still for some milliseconds.
        """
        if is_telling and path in self._seen and self._seen[path] == token:
            return
        self._seen[path] = token
        if not self._since:
            self.first = now
        self._since[path] = now
        self.before.discard(path)

    def wait(self, now: float, git_patience: float) -> float | None:
        """Seconds until the changes should be acted on; 0: now; None: there are none."""
        if not self._since:
            return None
        code = {path for path in self._since if self._is_code(path)}
        due = min(
            since + (DELETION_PATIENCE if path in code and self._seen[path] is None else 0.0)
            for path, since in self._since.items()
        )
        if git_patience and code:
            due = max(due, self.first + git_patience)
        return max(0.0, due - now)

    def _is_code(self, path: str) -> bool:
        """Whether a path is a source file, or a directory of what has changed.

        Programs write files under other names for the time being, and rename or remove them at once.
        """
        return path.endswith(SOURCE_SUFFIX) or any(other.startswith(path + os.sep) for other in self._since)

    @property
    def paths(self) -> list[str]:
        """The waiting paths, in the order of their events."""
        return list(self._since)

    def take(self) -> list[str]:
        """The waiting paths, in the order of their events; they wait no more."""
        paths = self.paths
        self._since.clear()
        self.before = set()
        return paths


@dataclass(frozen=True)
class Question:
    """What the worker was asked."""

    number: int
    paths: list[str]
    answer_by: float  # after which its silence is taken for "replace me"
    before: frozenset[str] = frozenset()  # those of the paths that changed before it started


class ChangeReview:
    """What is known of changes, until it is decided whether they concern the worker.

    A worker is asked one question at a time. Where its answer is that it has to be replaced, but a debugger waits for
    the user in it, the change waits until the prompt is left.
    """

    def __init__(self) -> None:
        self.changes = Changes()
        self.question: Question | None = None
        self.waits_for_prompt: str | None = None  # the change that does
        self.everything_since: float | None = None  # when so much changed that it cannot be told apart
        self.began = 0.0  # when the first of the changes came that were taken last
        self._asked = 0  # questions so far

    @property
    def is_open(self) -> bool:
        """Whether something may yet turn out to concern the worker."""
        return bool(self.is_busy or self.changes.paths or self.everything_since is not None)

    @property
    def is_busy(self) -> bool:
        """Whether other changes have to wait for an answer, or for the user."""
        return self.question is not None or self.waits_for_prompt is not None

    @property
    def due(self) -> float | None:
        """When to call ``give_up_waiting``."""
        return self.question.answer_by if self.question is not None else None

    def on_overflow(self, now: float) -> None:
        """Anything may have changed."""
        if self.everything_since is None:
            self.everything_since = now

    def take(self) -> list[str]:
        """The paths that wait to be acted on; they wait no more."""
        self.began = self.changes.first
        return self.changes.take()

    def take_overflow(self) -> bool:
        """Whether anything may have changed; said once."""
        if self.everything_since is None:
            return False
        self.began, self.everything_since = self.everything_since, None
        return True

    def ask(self, paths: list[str], now: float, before: Iterable[str] = ()) -> Question:
        """The question that these paths are, some of which changed before the worker started."""
        self._asked += 1
        self.question = Question(self._asked, paths, now + VERDICT_PATIENCE, frozenset(before))
        return self.question

    def on_verdict(self, number: int, stale: str | None, at_prompt: bool) -> str | None:
        """An answer: the path for which a reload has to come now, if any. A late one counts no more.

        Args:
            number: of the question.
            stale: the path that makes the worker one that has to be replaced.
            at_prompt: whether that has to wait for the user.
        """
        if self.question is None or self.question.number != number:
            return None
        self.question = None
        if stale is not None and at_prompt:
            self.waits_for_prompt = stale
            return None
        return stale

    def give_up_waiting(self, now: float) -> str | None:
        """The path for which a reload has to come, where the worker has not answered in time."""
        if self.question is None or now < self.question.answer_by:
            return None
        news = [path for path in self.question.paths if path not in self.question.before]
        self.question = None
        return next(iter(news), None)

    def on_prompt_left(self) -> str | None:
        """The path for which a reload has waited, if any."""
        path, self.waits_for_prompt = self.waits_for_prompt, None
        return path

    def drop_question(self) -> None:
        """Nobody is interested in the answer any more."""
        self.question = None

    def start_over(self) -> None:
        """A new worker reads everything anew, whatever has changed."""
        self.question, self.waits_for_prompt, self.everything_since = None, None, None
        self.changes.take()
