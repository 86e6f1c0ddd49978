"""How Python's garbage collector goes about a service: seldom, and not over all that is there to stay.

As it comes, it looks at everything whenever a quarter more has been made: a thousand
connections that arrive cost one pause of 20 to 70 ms each time, in which nobody is answered.
What is young is looked at often, so that it is little each time: a thousand objects take 0.1 ms.
"""

from __future__ import annotations

import gc

_USUAL = gc.get_threshold()
SELDOM = 1_000, 1, 700  # containers more than before; then collections of younger ones, twice


def settle() -> None:
    """Leave out what has been made by now; an author's own thresholds stay as they are."""
    gc.freeze()
    if gc.get_threshold() == _USUAL:
        gc.set_threshold(*SELDOM)
