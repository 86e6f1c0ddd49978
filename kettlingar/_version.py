"""The one place where the version is written beside pyproject.toml."""

__version__ = "0.1.0"
