"""What the lab reports instead of a traceback."""


class LabError(Exception):
    """The lab cannot do what was asked: what, what to do about it, and the log of whoever failed."""

    def __init__(self, message: str, *, hint: str = "", log: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.log = log


class GuestError(LabError):
    """The guest ended, or was ended, without reporting how the command went."""
