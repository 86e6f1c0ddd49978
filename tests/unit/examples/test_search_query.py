import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.search.query import MAX_LENGTH, QueryError, as_html, as_text, to_fts

TEXTS = {
    "cat": "A cat opens no door, but finds it open.",
    "file": "An open file is a number; a closed file is a memory.",
    "coffee": "Coffee, black. The naïve café has no cat.",
}


@pytest.fixture(scope="module")
def index():
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE t USING fts5(name, body, tokenize='porter unicode61')")
    db.executemany("INSERT INTO t VALUES (?, ?)", TEXTS.items())
    yield db
    db.close()


def found(index, text):
    rows = index.execute("SELECT name FROM t WHERE body MATCH ?", (to_fts(text),))
    return {name for (name,) in rows}


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("cat", {"cat", "coffee"}),
        ("CAT", {"cat", "coffee"}),
        ("cats", {"cat", "coffee"}),
        ("cat door", {"cat"}),
        ('"open file"', {"file"}),
        ('"file open"', set()),
        ("cat -coffee", {"cat"}),
        ('open -"open file"', {"cat"}),
        ("door OR coffee", {"cat", "coffee"}),
        ("mem*", {"file"}),
        ("naive cafe", {"coffee"}),
        ("nothing", set()),
    ],
)
def test_what_people_type_finds_what_they_mean(index, typed, expected):
    assert found(index, typed) == expected


@pytest.mark.parametrize("typed", ["", "   ", '"', '""', "*", "-", "-cat", "?!", "()"])
def test_a_query_without_a_word_to_look_for_is_refused(typed):
    with pytest.raises(QueryError, match="no word to look for"):
        to_fts(typed)


@pytest.mark.parametrize(
    "typed", ["body:cat", "cat AND", "NEAR(cat door)", "cat^2", "{cat}", "cat+"]
)
def test_the_query_language_of_sqlite_is_only_text_here(index, typed):
    found(index, typed)  # no syntax error, whatever it finds


def test_a_query_that_is_too_long_says_how_long():
    with pytest.raises(QueryError, match=f"401 characters are more than {MAX_LENGTH}"):
        to_fts("a" * 401)


def test_a_query_of_too_many_words_is_refused():
    with pytest.raises(QueryError, match="more than 16 words"):
        to_fts(" ".join("abcdefghijklmnopq"))


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_no_text_whatever_makes_sqlite_complain(index, typed):
    try:
        expression = to_fts(typed)
    except QueryError:
        return
    index.execute("SELECT 1 FROM t WHERE t MATCH ?", (expression,)).fetchall()


@given(st.text(alphabet='a b*"-(ORN)^:+', max_size=30))
def test_no_mixture_of_the_marks_makes_sqlite_complain(index, typed):
    test = test_no_text_whatever_makes_sqlite_complain.hypothesis.inner_test
    test(index, typed)


def test_a_snippet_is_one_line_with_stars():
    assert as_text("the \x02open\x03\n  file") == "the **open** file"


def test_a_snippet_in_html_is_escaped_but_for_the_marks():
    assert as_html("<i>\x02open\x03 & shut") == "&lt;i&gt;<b>open</b> &amp; shut"
