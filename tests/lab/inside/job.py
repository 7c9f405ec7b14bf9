"""What a guest is asked to do. No I/O."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Job:
    """One command, and whose it is."""

    command: list[str]
    user: str
    uid: int  # and the number of the user's group
    directory: str
    environment: dict[str, str]
    swap: bool  # switch the swap disk on
    window: tuple[int, int] | None  # rows and columns, if the command is to have a terminal

    def to_json(self) -> bytes:
        """Return the job as it travels."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Job":
        """Return the job that travelled as `text`."""
        return cls(**json.loads(text))
