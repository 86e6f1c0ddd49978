"""The tricks of the runtime's tests as a program."""

from tests.integration.runtime.kittens import Tricks

if __name__ == "__main__":
    Tricks.Main()
