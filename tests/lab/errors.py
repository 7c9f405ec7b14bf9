"""Errors that the lab reports without a traceback."""


class LabError(Exception):
    """The lab cannot do what was asked.

    message: what failed. hint: what to do about it. log: the output of the program that failed.
    """

    def __init__(self, message: str, *, hint: str = "", log: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.log = log


class GuestError(LabError):
    """The guest ended, or was killed, without reporting the command's exit status."""
