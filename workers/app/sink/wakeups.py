"""The only way against the stream: a part wakes one that was built after it."""

import asyncio
from typing import Protocol


class Pump(Protocol):
    """The sender (`workers.app.sink.sender.Sender`)."""

    def pump(self) -> None: ...


class CommitLoop(Protocol):
    """The commits (`workers.app.sink.commit.commits.Commits`)."""

    def write_soon(self) -> None: ...

    def commit_soon(self) -> None: ...

    def finished(self) -> None: ...


class FetchControl(Protocol):
    """What is fetched (`workers.app.sink.fetching.Fetching`)."""

    def recheck_soon(self) -> None: ...


class Wakeups:
    """A record walks source -> intake -> lanes -> sender -> outcomes -> finisher -> commits; this leads back.

    Nothing happens in the caller's own call: the parts that are woken act when the loop gets to them.
    """

    def __init__(self) -> None:
        self._sender: Pump | None = None
        self._commits: CommitLoop | None = None
        self._fetching: FetchControl | None = None

    def connect(self, *, sender: Pump, commits: CommitLoop, fetching: FetchControl) -> None:
        """Once, when all parts are built."""
        self._sender, self._commits, self._fetching = sender, commits, fetching

    def pump(self) -> None:
        """Lanes are ready that no flight of the sender's has just made ready."""
        if self._sender is not None:
            asyncio.get_running_loop().call_soon(self._sender.pump)

    def write_soon(self) -> None:
        """A write is queued."""
        if self._commits is not None:
            self._commits.write_soon()

    def commit_soon(self) -> None:
        """A partition's first records are here: a successor counts as repeated only what a commit has named."""
        if self._commits is not None:
            self._commits.commit_soon()

    def finished(self) -> None:
        """A record is finished: it may be committed, and there may be room for more."""
        if self._commits is not None:
            self._commits.finished()
        if self._fetching is not None:
            self._fetching.recheck_soon()
