"""Errors of models."""

from __future__ import annotations


class ModelError(Exception):
    """Base of this package's errors. `details` fill the message shown to users."""

    code = "model_error"

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.details = details


class ModelNotFoundError(ModelError):
    """No model of that name or in that folder."""

    code = "model_not_found"


class ModelUnavailableError(ModelError):
    """The model exists and cannot be used now; trying again later may work."""

    code = "model_unavailable"


class ModelKeyError(ModelError):
    """The model's server refuses the key."""

    code = "model_key_refused"


class ModelRefusalError(ModelError):
    """The model's server refuses the request itself; sending it again gives the same."""

    code = "model_request_refused"


class ModelMemoryError(ModelUnavailableError):
    """The model ran out of memory; a shorter prompt or a smaller model may work."""

    code = "model_out_of_memory"


class ModelTimeoutError(ModelUnavailableError):
    """The model took longer than the settings allow."""

    code = "model_timeout"


class ModelPackageMissingError(ModelError):
    """An optional package is missing; `details["install"]` holds the exact pip command."""

    code = "model_package_missing"


class CheckpointError(ModelError):
    """A model folder cannot be used or converted; `details["finding"]` names the reason's code."""

    code = "invalid_checkpoint"

    def __init__(self, finding: str, message: str, **details: object) -> None:
        super().__init__(message, finding=finding, **details)
        self.finding = finding
