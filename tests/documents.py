"""The README and the manual page, as tests read them."""

import re
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")

_ESCAPES = {r"\-": "-", r"\(aq": "'", r"\(dq": '"', r"\ ": " ", r"\e": "\\"}


def _unescaped(page: str) -> str:
    for escape, text in _ESCAPES.items():
        page = page.replace(escape, text)
    return re.sub(r"\\f[BIPR]", "", page)


def manual(program: str) -> str:
    """Return the manual page of a program."""
    return _unescaped((CHECKOUT / "man" / f"{program}.1").read_text(encoding="utf-8"))


MANUAL = manual("scoperun")


def section(name: str, page: str = MANUAL) -> str:
    """Return a section of a manual page."""
    (text,) = re.findall(rf"^\.SH {re.escape(name)}\n(.*?)(?=^\.SH |\Z)", page, flags=re.MULTILINE | re.DOTALL)
    return str(text)


def terms(name: str, page: str = MANUAL) -> list[str]:
    """Return the terms of a section of a manual page: the lines after .TP, without their macro."""
    return terms_in(section(name, page))


def terms_in(text: str) -> list[str]:
    """Return the terms in a part of a manual page; a line that ends with a backslash goes on."""
    lines = re.findall(r"^\.TP\n\.[BIR]+ (.*(?:(?<=\\)\n.*)*)$", text, flags=re.MULTILINE)
    return [line.replace("\\\n", "").replace('"', "") for line in lines]


def snippets(language: str) -> list[str]:
    """Return the README's blocks in a language, such as console, sh or python."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def sessions() -> list[str]:
    """Return the sessions of both documents; … stands for a part of a line, [...] for lines."""
    in_manual = re.findall(r"^\.EX\n(\$ .*?)^\.EE$", section("EXAMPLES"), flags=re.MULTILINE | re.DOTALL)
    return [*snippets("console"), *map(_with_ellipses, in_manual)]


def _with_ellipses(session: str) -> str:
    """Return a session of the manual page as the README would have it: a line [...] stays, other dots become …."""
    dots = re.compile(r"^\[\.\.\.]$|\.\.\.", flags=re.MULTILINE)
    return dots.sub(lambda found: "…" if found[0] == "..." else found[0], session)


def library_examples() -> list[str]:
    """Return the README's examples in Python."""
    return snippets("python")


def configurations() -> list[str]:
    """Return the config files that both documents show."""
    return [*snippets("toml"), *re.findall(r"^\.EX\n(.*?)^\.EE$", section("PROFILES"), flags=re.MULTILINE | re.DOTALL)]


def command_lines() -> list[str]:
    """Return what follows `scoperun` in the README's blocks for a shell or a crontab, each on one line."""
    text = "".join([*snippets("sh"), *snippets("crontab")]).replace("\\\n", " ")
    return re.findall(r"(?:^|/)scoperun (.*)$", text, flags=re.MULTILINE)
