"""The text report, read again by tests."""

from scoperun.report.names import LimitName


def named(**texts: str) -> dict[str, LimitName]:
    """Return names of limits whose values are not compared with those in force."""
    return {field: LimitName(text) for field, text in texts.items()}


def head(text: str) -> str:
    """Return what stands before the rows, on one line."""
    lines = text.splitlines()
    end = next((number for number, line in enumerate(lines) if _is_row(line)), len(lines))
    return " ".join(line.strip() for line in lines[:end])


def rows(text: str) -> dict[str, str]:
    """Return the rows by their labels, each on one line. A row that occurs twice is an error."""
    found: dict[str, str] = {}
    label = None
    for line in text.splitlines():
        if _is_row(line):
            label = line[:10].strip()
            assert label not in found, f"two rows {label!r} in\n{text}"
            found[label] = line[12:]
        elif label is not None:
            assert line.startswith(" " * 12), f"{line!r} belongs to no row of\n{text}"
            found[label] += f" {line.strip()}"
    return found


def _is_row(line: str) -> bool:
    return line.startswith(" ") and line[:10].strip() != "" and line[9:12].strip() == line[9]
