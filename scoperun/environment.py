"""The environment that this process was started with, which the command gets."""

import os  # and nothing else: the program imports this module before `isolate` has run

_COERCED = {"C.UTF-8", "C.utf8", "UTF-8"}


def given_environment() -> "dict[str, str]":
    """Return our environment without what Python adds: in the C locale it sets $LC_CTYPE (PEP 538).

    A variable with an empty name is left out, because Python's execve() refuses it.
    """
    environment = dict(os.environ)
    environment.pop("", None)
    if environment.get("LC_CTYPE") in _COERCED:
        with open("/proc/self/environ", "rb") as file:
            given = dict(entry.partition(b"=")[::2] for entry in file.read().split(b"\0"))
        if b"LC_CTYPE" in given:
            environment["LC_CTYPE"] = os.fsdecode(given[b"LC_CTYPE"])
        else:
            del environment["LC_CTYPE"]
    return environment
