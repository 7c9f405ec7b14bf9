"""Values stay words, in an argv and in a text."""

import os
import random
import subprocess

import pytest

from scoperun.batch.templates import LINE, Argv, Names, filled_text, quoted
from scoperun.errors import InvalidValue

ODD = (
    *(
        "; rm -rf ~",
        "$(echo x)",
        "`echo x`",
        "'",
        '"',
        "\\",
        "it's",
        "a b",
        "",
        "-n",
        "*",
        "~",
        "$HOME",
        "a=b",
        "2",
        "done",
    ),
    *(
        "{}",
        "{x}",
        "\t",
        "\n",
        "\udcff\udc81\udc88",
        "é",
        "!!",
        "#",
        "&",
        "|",
        "%s",
        "a\\nb",
        "\\'",
        "'\"'",
        "#!",
        "\x01\x7f",
    ),
)
TABLE = Names(("sample", "input"), ("mem", "id"))


def printed(text: str, shell: str = "/bin/sh") -> list[str]:
    """Return the words that a text prints with a NUL byte after each."""
    out = subprocess.run([shell, "-c", text], capture_output=True, check=True, timeout=20).stdout
    return os.fsdecode(out).split("\0")[:-1]


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
@pytest.mark.parametrize("value", ODD)
def test_a_value_in_a_text_is_one_word_of_the_shell(value: str, shell: str) -> None:
    text = filled_text(r"printf '%s\0' {x} a{x}b {x}{x}", Names(("x",)), {"x": value})
    assert printed(text, shell) == [value, f"a{value}b", value + value]


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
@pytest.mark.parametrize("before", ["$x", "${x}", "$1", "~"])
@pytest.mark.parametrize("value", [*ODD, "root", "abc"])
def test_a_value_after_other_text_is_a_part_of_its_word(value: str, before: str, shell: str) -> None:
    """A plain value would lengthen the name of a variable, or of a user."""
    text = filled_text(f"x=X; set -- one; printf '%s\\0' {before}{{}}", LINE, {"": value})
    start, *_ = printed(f"x=X; set -- one; printf '%s\\0' {before}''", shell)[-1:]
    assert printed(text, shell)[-1] == f"{start}{value}"


@pytest.mark.parametrize("value", ODD)
def test_a_value_in_an_argv_is_put_in_as_it_is(value: str) -> None:
    filled = Argv(["printf", r"%s\0", "{}", "--in={}", "{}.{}"], LINE).filled({"": value})
    assert filled == ("printf", r"%s\0", value, f"--in={value}", f"{value}.{value}")
    out = subprocess.run(filled, capture_output=True, check=True, timeout=20).stdout
    assert os.fsdecode(out).split("\0")[:-1] == [value, f"--in={value}", f"{value}.{value}"]


def test_random_values_are_words_of_the_shell() -> None:
    chance = random.Random(7)  # noqa: S311
    values = [os.fsdecode(chance.randbytes(chance.randint(0, 40)).replace(b"\0", b"'")) for _ in range(300)]
    names = Names(("",), tuple(f"v{number}" for number in range(len(values))))
    text = r"printf '%s\0' " + " ".join(f"{{{name}}}" for name in names.others)
    assert printed(filled_text(text, names, dict(zip(names.others, values, strict=True)))) == values


@pytest.mark.parametrize("value", ["2", "done", "a=b"])
def test_a_value_means_nothing_to_the_shell_wherever_it_is(value: str) -> None:
    """Without quotes the first would be the number of a descriptor, and the others syntax."""
    ran = subprocess.run(
        ["/bin/sh", "-c", f"{quoted(value)}>&2; :{quoted(value)}>/dev/null"],
        capture_output=True, check=False, timeout=20,
    )  # fmt: skip
    assert b"not found" in ran.stderr
    assert quoted(value) == f"'{value}'"


@pytest.mark.parametrize("braces", ["{a,b}", "${x}", "${}", "{1..3}", "{ print }", "awk '{print $1}'", "{x}", "{"])
def test_other_braces_stay_as_they_are(braces: str) -> None:
    assert Argv([braces, "{}"], LINE).filled({"": "v"}) == (braces, "v")


@pytest.mark.parametrize(
    "braces", ["{a,b}", "${x}", "${sample}", "{1..3}", "awk '{print}'", "awk '{next}'", r"\{sample}", r"\{other}"]
)
def test_other_braces_stay_as_they_are_beside_columns(braces: str) -> None:
    assert filled_text(f"{braces} {{sample}}", TABLE, {"sample": "v"}) == f"{braces} v"


def test_a_command_without_braces_gets_the_value_as_its_last_word() -> None:
    assert Argv(["gzip", "-9"], LINE).filled({"": "a b"}) == ("gzip", "-9", "a b")
    assert Argv(["gzip", "-9"], Names(("file",), ("mem",))).filled({"file": "a", "mem": "1G"}) == ("gzip", "-9", "a")


def test_a_command_of_settings_alone_gets_no_word() -> None:
    assert Argv(["make"], Names((), ("mem",))).filled({"mem": "1G"}) == ("make",)


def test_the_only_column_that_sets_nothing_is_meant_by_empty_braces() -> None:
    assert Argv(["x", "{}"], Names(("file",), ("mem",))).filled({"file": "a", "mem": "1G"}) == ("x", "a")


def test_a_value_is_not_read_for_further_placeholders() -> None:
    values = {"sample": "{input}", "input": "{sample}"}
    assert Argv(["{sample}{input}"], TABLE).filled(values) == ("{input}{sample}",)
    assert filled_text("echo {sample} {input}", TABLE, values) == "echo '{input}' '{sample}'"


@pytest.mark.parametrize("name", ["a b", "1", "a.b", "x(y", "é"])
def test_any_column_can_be_named(name: str) -> None:
    assert Argv([f"-{{{name}}}-"], Names((name,))).filled({name: "v"}) == ("-v-",)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["{sampel}"], "{sampel} is not a column (the columns are sample, input, mem, id; { sampel } stays as it is)"),
        (["{}"], "{} could be any of several columns (write {sample} or {input})"),
        (["cat", "x"], "nothing in 'cat x' says where the columns go (write {sample} or {input})"),
    ],
)
def test_what_could_be_meant_otherwise_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(InvalidValue) as refusal:
        Argv(words, TABLE)
    assert str(refusal.value) == message


def test_empty_braces_mean_nothing_beside_settings_alone() -> None:
    with pytest.raises(InvalidValue, match=r"^\{\} stands for nothing: each column sets something"):
        Argv(["{}"], Names((), ("mem",)))


@pytest.mark.parametrize(
    "text", ['echo "{x}"', "echo '{x}'", "echo `cat {x}`", "echo ${y:-{x}}", "echo # {x}", '"$(cat {x})"']
)
def test_a_placeholder_in_quotes_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"^\{x\} has to be outside of quotes, backquotes, \$\{\} and comments"):
        filled_text(text, Names(("x",)), {"x": "v"})
