"""The job of a guest. No I/O."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Job:
    """One command, its user and its environment."""

    command: list[str]
    user: str
    uid: int  # also the number of the user's group
    directory: str
    environment: dict[str, str]
    swap: bool  # switch the swap disk on
    window: tuple[int, int] | None  # rows and columns of the command's terminal; None for pipes

    def to_json(self) -> bytes:
        """Return the job as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Job":
        """Return the job from its JSON."""
        return cls(**json.loads(text))
