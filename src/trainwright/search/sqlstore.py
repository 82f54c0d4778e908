"""The lines of a study in a database, for workers that share no disk: the same lines as in the folder's journal.

Any database that SQLAlchemy knows will do, by its URL; it comes with Optuna, whose own tables may lie beside these. A
line is a row with a number of its own, and one transaction at a time writes: what SQLite's write lock, or a locked row,
sees to.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from trainwright.errors import RunError, UsageError, first_line
from trainwright.search.mending import check
from trainwright.search.owner import Owner

CONNECT_SECONDS = 5
"""After so long a database that does not answer counts as unreachable."""
_LOCK_SECONDS = 120  # for which another worker may hold the lock: a decision takes milliseconds


class SqlJournal:
    """Appends to and reads the lines of the study `name` at `url`, with the face of `Journal`."""

    def __init__(self, url: str, name: str, owner: Owner) -> None:
        self.url, self.name, self.owner = url, name, owner
        self.repaired, self.orphaned = 0, ""
        self.notes: list[str] = []
        self.lines: list[dict[str, Any]] = []
        """All lines so far."""
        self._engine = _engine(url)
        self._table, self._studies = _tables()
        self._connection: Any = None
        self._begin()

    def _begin(self) -> None:
        from sqlalchemy.exc import IntegrityError, SQLAlchemyError

        try:
            try:
                self._table.metadata.create_all(self._engine)
            except SQLAlchemyError:  # perhaps another worker made them in the same moment: then they are there now
                self._table.metadata.create_all(self._engine)
            with self._engine.begin() as connection:
                known = connection.execute(self._studies.select().where(self._studies.c.name == self.name)).first()
                if known is None:
                    connection.execute(self._studies.insert().values(name=self.name))
        except IntegrityError:
            pass  # another worker was first
        except SQLAlchemyError as problem:
            raise unreachable(self.url, problem) from None

    def new(self) -> list[dict[str, Any]]:
        """Return the lines that came since the last call. Raises `RunError` where a line is damaged."""
        from sqlalchemy.exc import SQLAlchemyError

        table = self._table
        wanted = (
            table.select().where(table.c.study == self.name, table.c.number >= len(self.lines)).order_by(table.c.number)
        )
        try:
            if self._connection is not None:
                rows = self._connection.execute(wanted).all()
            else:
                with self._engine.connect() as connection:
                    rows = connection.execute(wanted).all()
        except SQLAlchemyError as problem:
            raise unreachable(self.url, problem) from None
        found = []
        for place, row in enumerate(rows, start=len(self.lines)):
            if row.number != place or check(row.body.encode()).decode() != row.checksum:
                raise RunError(
                    f"line {place + 1} of the study '{self.name}' in {shown(self.url)} is damaged",
                    evidence="its checksum does not fit" if row.number == place else "a line before it is missing",
                    remedy="restore the database from a copy",
                )
            found.append(json.loads(row.body))
        self.lines += found
        return found

    def append(self, line: Mapping[str, Any]) -> None:
        """Write one line, for all to see when the lock is left. Call within `locked` and after `new`."""
        from sqlalchemy.exc import SQLAlchemyError

        text = json.dumps(line, separators=(",", ":"))
        row = {"study": self.name, "number": len(self.lines), "checksum": check(text.encode()).decode(), "body": text}
        try:
            self._connection.execute(self._table.insert().values(**row))
        except SQLAlchemyError as problem:
            raise unreachable(self.url, problem) from None

    @contextmanager
    def locked(self) -> Iterator[list[dict[str, Any]]]:
        """Keep other processes out of the block, and give it what they have written; all it wrote stands at its end."""
        from sqlalchemy.exc import SQLAlchemyError

        before = len(self.lines)
        try:
            with self._engine.begin() as connection:
                # An update first: SQLite takes its lock at the first write, others lock the row until the end.
                row = self._studies.c.name == self.name
                connection.execute(
                    self._studies.update().where(row).values(holder=f"{self.owner.host} {self.owner.pid}")
                )
                self._connection = connection
                yield self.new()
        except SQLAlchemyError as problem:
            del self.lines[before:]
            raise unreachable(self.url, problem) from None
        finally:
            self._connection = None


def shown(url: str) -> str:
    """Return a URL without its password."""
    from sqlalchemy.engine import make_url

    return make_url(url).render_as_string(hide_password=True)


def unreachable(url: str, problem: Exception) -> RunError:
    """Return the error that says that a database cannot be used."""
    words = str(getattr(problem, "orig", None) or problem).strip().splitlines()
    return RunError(
        f"the store {shown(url)} cannot be used",
        evidence=words[0][:200] if words else type(problem).__name__,
        remedy="check the URL, and that the database is there and can be written",
    )


def _engine(url: str) -> Any:
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    try:
        made = make_url(url)
        sqlite = made.get_backend_name() == "sqlite"
        waits = {"timeout": _LOCK_SECONDS} if sqlite else {"connect_timeout": CONNECT_SECONDS}
        if sqlite and made.database in (None, "", ":memory:"):
            raise UsageError("a store in memory cannot be shared", remedy="give a file: sqlite:///studies.db")
        return create_engine(url, connect_args=waits, pool_pre_ping=not sqlite)
    except (NoSuchModuleError, ImportError) as problem:
        raise UsageError(
            f"no driver for {url.split(':', 1)[0]} is installed",
            evidence=first_line(problem),
            remedy="install what SQLAlchemy names for it, such as psycopg2-binary for postgresql://",
        ) from None
    except ArgumentError:
        raise UsageError(f"'{url}' is no URL of a database", remedy="such as sqlite:///studies.db") from None


def _tables() -> tuple[Any, Any]:
    from sqlalchemy import Column, Integer, MetaData, String, Table, Text

    known = MetaData()
    studies = Table(
        "trainwright_studies",
        known,
        Column("name", String(200), primary_key=True),
        Column("holder", String(300)),
    )
    lines = Table(
        "trainwright_lines",
        known,
        Column("study", String(200), primary_key=True),
        Column("number", Integer, primary_key=True),
        Column("checksum", String(64), nullable=False),
        Column("body", Text, nullable=False),
    )
    return lines, studies
