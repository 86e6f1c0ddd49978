"""Accepted connections: from a service's listeners to its workers, and what may go wrong between."""

from .ingress import Ingress

__all__ = ["Ingress"]
