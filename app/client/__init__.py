"""A typed Python client of the HTTP interface."""

from app.client.client import Client
from app.client.errors import ClientError

__all__ = ["Client", "ClientError"]
