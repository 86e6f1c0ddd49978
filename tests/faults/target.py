"""The target of the live tests as a program."""

from tests.faults.live import Target

if __name__ == "__main__":
    Target.Main()
