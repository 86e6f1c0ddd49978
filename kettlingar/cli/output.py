"""How results are printed: a choice that every command line here has."""

from __future__ import annotations


class Output(str):
    """The name of one of these. (An Enum takes as long to import as `ctl call` to do its work.)"""

    __slots__ = ()
    PLAIN: Output  # as their _format says, text as it is, the rest as JSON
    JSON: Output
    RAW: Output  # nothing added, not even a newline


Output.PLAIN, Output.JSON, Output.RAW = Output("plain"), Output("json"), Output("raw")
