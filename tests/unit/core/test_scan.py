import tomli
from hypothesis import given
from hypothesis import strategies as st

from kettlingard.core.scan import places

TEXT = '''# a comment = 1
[service]
kitten = "a:B"   # [not.a.table]
python_path = [
  "x",  # one
  "y",
]
text = """
[no]
nothing = 1
"""
"quoted key" = 'single'
when = 2020-01-01 10:00:00

[[listen]]
name = "a"
[[listen]]
name = { x = 1, "y z" = [2, { q = 3 }] }
dotted.key = 4
'''


def test_each_key_has_its_line_and_column():
    found = places(TEXT)
    assert found["service",] == (2, 1)
    assert found["service", "kitten"] == (3, 1)
    assert found["service", "python_path", 1] == (6, 3)
    assert found["service", "quoted key"] == (12, 1)
    assert found["service", "when"] == (13, 1)
    assert found["listen", 0, "name"] == (16, 1)
    assert found["listen", 1, "name", "x"] == (18, 10)
    assert found["listen", 1, "name", "y z", 1, "q"] == (18, 31)
    assert found["listen", 1, "dotted", "key"] == (19, 1)
    assert ("no",) not in found
    assert ("service", "nothing") not in found


def paths_of(value, path=()):
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in items:
        if isinstance(item, dict | list):
            yield from paths_of(item, (*path, name))
        else:
            yield (*path, name)


def test_all_values_of_a_document_have_a_place():
    known = set(places(TEXT)) | {("listen",)}
    assert set(paths_of(tomli.loads(TEXT))) <= known


PIECES = [
    "a = 1\n", "b = 'x#'\n", 'c = "\\"]"\n', "[t]\n", "[t.u]\n", "[[l]]\n", "[[l.m]]\n", "# c\n",
    "d = [1, [2,\n 3], {e = 4}]\n", "f.g = true\n", 'h = """\n]"""\n', "i = ''''''\n", "\n",
    "j = 1979-05-27 07:32:00Z\n", "k = {}\n", "l2 = []\n", "m = '''it''''\n", '"n.o" = 0x1F\n',
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_whatever_tomli_takes_the_scanner_follows(pieces):
    text = "".join(pieces)
    try:
        data = tomli.loads(text)
    except tomli.TOMLDecodeError:
        return
    known = set(places(text))
    arrays = {path[:-1] for path in known if isinstance(path[-1], int)}
    above = {path[:n] for path in known for n in range(1, len(path))}
    assert set(paths_of(data)) <= known | arrays | above
