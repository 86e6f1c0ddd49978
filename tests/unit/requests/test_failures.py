import pytest

from kettlingar.requests.failures import in_one_line


def _error(source: str) -> Exception:
    with pytest.raises(Exception) as caught:
        exec(compile(source, "todo.py", "exec"), {})
    return caught.value


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("def broken(:", "SyntaxError: invalid syntax (def broken(:)"),
        ("raise ValueError('one\\n  two\\n')", "ValueError: one; two"),
        ("raise KeyError('x')", "KeyError: 'x'"),
        ("raise RuntimeError", "RuntimeError"),
    ],
)
def test_what_went_wrong_is_one_line(source, line):
    assert in_one_line(_error(source)) == line
