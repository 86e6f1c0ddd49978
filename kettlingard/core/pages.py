"""OpenMetrics pages of several processes -> one page, with a label for each process. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

EOF = "# EOF"
# What a sample's name may have after its family's
SUFFIXES = ("_total", "_created", "_count", "_sum", "_bucket", "_info")


class _Family(Struct):
    about: dict[str, str] = field(default_factory=dict)  # TYPE, HELP, UNIT: the rest of its line
    samples: list[str] = field(default_factory=list)


def merged(pages: Iterable[tuple[Mapping[str, str], str]]) -> str:
    """One page; each of `pages` is (labels to add, text). Families of one name become one."""
    families: dict[str, _Family] = {}
    for labels, text in pages:
        extra = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
        for line in text.splitlines():
            _take(line, extra, families)
    lines = [line for name, family in sorted(families.items()) for line in _lines(name, family)]
    return "\n".join([*lines, EOF, ""])


def page(
    families: Sequence[tuple[str, str, str, Sequence[tuple[Mapping[str, str], float]]]],
) -> str:
    """A page from (name, type, help, samples)."""
    lines = []
    for name, kind, text, samples in families:
        lines += [f"# TYPE {name} {kind}", f"# HELP {name} {text}"]
        suffix = "_total" if kind == "counter" else ""
        for labels, value in samples:
            inside = ",".join(f'{key}="{_escaped(one)}"' for key, one in labels.items())
            lines.append(f"{name}{suffix}{'{' + inside + '}' if inside else ''} {value:g}")
    return "\n".join([*lines, EOF, ""])


def _take(line: str, extra: str, families: dict[str, _Family]) -> None:
    if not line or line == EOF:
        return
    if line.startswith("# "):
        _, word, name, *rest = [*line.split(" ", 3), "", ""][:4]
        families.setdefault(name, _Family()).about.setdefault(word, " ".join(rest).strip())
        return
    name = line.partition("{")[0].partition(" ")[0]
    families.setdefault(_family(name, families), _Family()).samples.append(_labelled(line, extra))


def _family(sample: str, families: Mapping[str, _Family]) -> str:
    if sample in families:
        return sample
    for suffix in SUFFIXES:
        base = sample.removesuffix(suffix)
        if base != sample and base in families:
            return base
    return sample


def _labelled(line: str, extra: str) -> str:
    if not extra:
        return line
    name, space, rest = line.partition(" ")
    if "{" in name:  # labels may hold blanks: split at the brace, not at the blank
        name, _, rest = line.partition("{")
        return f"{name}{{{extra}{'' if rest.startswith('}') else ','}{rest}"
    return f"{name}{{{extra}}}{space}{rest}"


def _lines(name: str, family: _Family) -> list[str]:
    return [*(f"# {word} {name} {text}" for word, text in family.about.items()), *family.samples]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
