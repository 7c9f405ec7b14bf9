"""A test that runs in its own process fails like any other."""

import os

import pytest

from tests.child import in_child


def fail() -> None:
    assert os.getpid() == 0, "in vain"


def test_the_childs_result_is_returned() -> None:
    pid = in_child(os.getpid)
    assert pid != os.getpid()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_failure_in_the_child_fails_the_test() -> None:
    with pytest.raises(pytest.fail.Exception, match="AssertionError: in vain"):
        in_child(fail)


def test_a_child_that_ends_without_a_result_fails_the_test() -> None:
    with pytest.raises(pytest.fail.Exception, match="the child has ended without a result"):
        in_child(lambda: os._exit(0))
