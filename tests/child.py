"""A function that runs in a child process, for changes that a process cannot undo: a namespace, signal dispositions."""

import traceback
from collections.abc import Callable
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from typing import TypeVar

import pytest

T = TypeVar("T")


def in_child(function: Callable[[], T]) -> T:
    """Fork, call `function` in the child and return what it returns, which has to be picklable.

    A test that fails in the child fails here, with the child's traceback.
    """
    result, sender = Pipe(duplex=False)
    child = get_context("fork").Process(target=_send_result, args=(function, sender))
    child.start()
    sender.close()
    with result:
        try:
            value, failure = result.recv()
        except EOFError:
            value, failure = None, "the child has ended without a result"
    child.join()
    if failure:
        pytest.fail(f"in a child process: {failure}", pytrace=False)
    return value


def _send_result(function: Callable[[], T], sender: Connection) -> None:
    try:
        sender.send((function(), None))
    except BaseException:
        sender.send((None, traceback.format_exc()))
