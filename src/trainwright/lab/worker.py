"""The process that computes for the page: simulations, searches and reports, one request a line, away from the server.

It reads requests as lines of JSON from standard input and answers in lines of JSON on standard output. A request is
`{"id", "task", "arguments"}`; an answer holds `result` or `error`, and `more` where others follow. `{"cancel": id}`
asks a simulation that streams to end.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any, TextIO

from trainwright.errors import TrainwrightError
from trainwright.records import to_plain


def main() -> None:
    """Serve until standard input ends: the server is gone then."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not come between the answers
    cancelled: set[str] = set()
    requests: queue.Queue[dict[str, Any] | None] = queue.Queue()
    threading.Thread(target=_read, args=(requests, cancelled), daemon=True).start()

    from trainwright.lab import tasks  # torch, once and before the first request

    while (request := requests.get()) is not None:
        _answer(request, answers, tasks.TASKS, cancelled)


def _read(requests: queue.Queue[dict[str, Any] | None], cancelled: set[str]) -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if "cancel" in message:
            cancelled.add(message["cancel"])
        else:
            requests.put(message)
    requests.put(None)
    os._exit(0)  # even in the middle of a simulation: nobody is left to read it


def _answer(request: dict[str, Any], answers: TextIO, tasks: dict[str, Any], cancelled: set[str]) -> None:
    identifier = request["id"]
    try:
        made = tasks[request["task"]](lambda: identifier in cancelled, **request["arguments"])
        if isinstance(made, Iterator):
            for result in made:
                _write(answers, {"id": identifier, "result": to_plain(result, strict=True), "more": True})
            made = None
        _write(answers, {"id": identifier, "result": to_plain(made, strict=True), "more": False})
    except TrainwrightError as problem:
        error = {"what": problem.what, "evidence": problem.evidence, "remedy": problem.remedy}
        _write(answers, {"id": identifier, "error": error, "more": False})
    except Exception as problem:  # one simulation's mistake must not end the others
        traceback.print_exc()
        error = {"what": "this could not be computed", "evidence": f"{type(problem).__name__}: {problem}", "remedy": ""}
        _write(answers, {"id": identifier, "error": error, "more": False})
    cancelled.discard(identifier)


def _write(answers: TextIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message, allow_nan=False) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
