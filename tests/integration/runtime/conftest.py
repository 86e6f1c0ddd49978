"""The fixtures that authors of services have, for our own tests."""

from kettlingar.testing import run_kitten, start_kitten

__all__ = ["run_kitten", "start_kitten"]
