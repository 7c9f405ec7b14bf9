"""The environment that this process was given, which the command gets."""

import os  # and nothing else: the program's first lines import this module

_COERCED = {"C.UTF-8", "C.utf8", "UTF-8"}


def given_environment() -> "dict[str, str]":
    """Return our environment without what Python adds: in the C locale it sets $LC_CTYPE (PEP 538).

    A variable without a name is left out, since execve() of Python refuses it.
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
