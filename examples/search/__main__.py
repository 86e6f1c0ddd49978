"""`python3 -m examples.search`: the command line of the search service."""

from .app import SearchKitten

if __name__ == "__main__":
    SearchKitten.Main()
