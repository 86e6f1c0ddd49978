"""Accepted connections: from a service's listeners to its workers, and what may go wrong between."""

from .ingress import Ingress
from .worker import Counts

__all__ = ["Counts", "Ingress"]
