"""Accepted connections: from a service's listeners to its workers, and what may go wrong between."""

from .front import Front
from .ingress import Ingress
from .router import Router

__all__ = ["Front", "Ingress", "Router"]
