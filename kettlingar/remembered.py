"""What a running service was started with, for the one who restarts it: `.NAME.settings`.

A private file beside the service's URL. It may hold a secret, so that a restart
needs none on its command line, and it is gone when the service is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kettlingar.config.edit import own_settings, replace_privately
from kettlingar.config.schema import Configuration


def path_of(config: Configuration) -> Path:
    """Where the settings of this service are kept while it runs."""
    return Path(config.app_state_dir) / f".{config.worker_name}.settings"


def keep(config: Configuration) -> Path:
    """Write them; whoever calls this removes the file."""
    path = path_of(config)
    replace_privately(path, json.dumps(own_settings(config)))
    return path


def renew(config: Configuration) -> None:
    """Write them again after a change, if this service keeps them."""
    if path_of(config).exists():
        keep(config)


def read(config: Configuration) -> dict[str, Any]:
    """What the running service of that name was started with; nothing if it does not run."""
    try:
        kept: dict[str, Any] = json.loads(path_of(config).read_text())
    except (OSError, ValueError):
        return {}
    return kept
