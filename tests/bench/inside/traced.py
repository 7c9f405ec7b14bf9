"""scoperun, which writes to a file the moments at which it reaches each step: `traced.py FILE WORDS`.

A module's functions are wrapped right after its import, so that nothing is imported earlier than without the trace.
"""

import time

BEGAN = time.monotonic_ns()

import builtins  # noqa: E402  the clock is read first
import os  # noqa: E402
import sys  # noqa: E402

ASYNC = 0x80
"""inspect.CO_COROUTINE; inspect itself is not imported, because that takes time."""

# Module, function, and whether the moment is its call or its return; in the order of time.
MOMENTS = (
    ("scoperun.cli.options", "parse", "call"),
    ("scoperun.cli.options", "parse", "return"),
    ("scoperun.process.child", "spawn", "call"),
    ("scoperun.process.keeper", "spawn", "return"),
    ("scoperun.systemd.unit", "Unit.start", "call"),
    ("scoperun.supervision.standing", "stand", "return"),
    ("scoperun.process.child", "Child.release", "return"),
    ("scoperun.process.child", "Child.wait", "return"),
    ("scoperun.supervision.supervision", "Supervision.report", "return"),
    ("os", "_exit", "call"),
)

marks = [BEGAN]
waiting = {module for module, _, _ in MOMENTS}


def trace(module, name, moment):
    *path, last = name.split(".")
    owner = sys.modules[module]
    for part in path:
        owner = getattr(owner, part)
    function = getattr(owner, last)

    def called(*args, **more):
        marks.append(time.monotonic_ns())
        return function(*args, **more)

    def returned(*args, **more):
        result = function(*args, **more)
        marks.append(time.monotonic_ns())
        return result

    async def async_returned(*args, **more):
        result = await function(*args, **more)
        marks.append(time.monotonic_ns())
        return result

    is_async = getattr(function, "__code__", None) and function.__code__.co_flags & ASYNC
    setattr(owner, last, called if moment == "call" else async_returned if is_async else returned)


def tracing_import(name, *args, **more):
    module = imports(name, *args, **more)
    for each in [each for each in waiting if is_ready(each)]:
        waiting.remove(each)
        for moment in MOMENTS:
            if moment[0] == each:
                trace(*moment)
    return module


def is_ready(name):
    module = sys.modules.get(name)
    return module is not None and not getattr(module.__spec__, "_initializing", False)


def leave(status):
    with open(FILE, "w", encoding="ascii") as file:
        print(*marks, file=file)
    exit_now(status)


if __name__ == "__main__":
    FILE = sys.argv.pop(1)
    imports, builtins.__import__ = builtins.__import__, tracing_import
    exit_now, os._exit = os._exit, leave
    from scoperun.__main__ import program

    program()
