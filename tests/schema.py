"""The published schemas: everything that a test reads as JSON is checked against them."""

import json
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator

VALIDATOR = Draft202012Validator(json.loads((files("scoperun") / "report.schema.json").read_text()))
OF_SCOPECTL = json.loads((files("scoperun") / "scopectl.schema.json").read_text())
_ACTING = {"set", "freeze", "thaw", "stop", "kill"}


def validated(text: str) -> dict[str, Any]:
    """Return the report in `text`, after checking it against the schema."""
    report: dict[str, Any] = json.loads(text)
    VALIDATOR.validate(report)
    return report


def told_by(subcommand: str, text: str | bytes) -> Any:
    """Return what a subcommand of scopectl has printed as JSON, after checking it against the schema."""
    told = json.loads(text)
    name = "done" if subcommand in _ACTING else subcommand
    Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": OF_SCOPECTL["$defs"]}).validate(told)
    return told
