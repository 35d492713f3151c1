"""Exceptions, by what a handler does about them. One class per row of the error table of the core."""

from __future__ import annotations

__all__ = [
    "AccessError", "AlreadyExistsError", "CancelledError", "ConflictError", "CorruptError", "DiskError",
    "GoneError", "InternalError", "InvalidError", "NotFoundError", "ResourceError", "StorageError", "TimedOutError",
    "UnknownOutcomeError", "UnstorableError", "UnsupportedError", "VarveError",
]


class VarveError(Exception):
    """Base of all. `kind` is the stable name of the error, `retryable` whether trying again may help."""

    kind: str = "internal"
    retryable: bool = False
    request_id: str = ""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else self.kind


class InvalidError(VarveError, ValueError):
    """The input is wrong; nothing was changed."""

    kind = "invalid_argument"


class NotFoundError(VarveError, KeyError):
    """No such lake, artifact, version or path."""

    kind = "not_found"


class AlreadyExistsError(VarveError):
    """The name is taken."""

    kind = "already_exists"


class ConflictError(VarveError):
    """Another writer moved first."""

    kind = "conflict"


class AccessError(VarveError, PermissionError):
    """The store denies access."""

    kind = "permission_denied"


class StorageError(VarveError, OSError):
    """The store did not answer or asks for less; trying again may help."""

    kind = "unavailable"
    retryable = True


class TimedOutError(StorageError, TimeoutError):
    """The deadline passed."""

    kind = "timeout"


class CancelledError(VarveError):
    """The caller stopped the operation."""

    kind = "cancelled"


class CorruptError(VarveError):
    """Stored bytes are damaged; none of them was returned."""

    kind = "corrupt"


class DiskError(VarveError, OSError):
    """The disk or file system failed; what was written before stays."""

    kind = "io_error"


class ResourceError(VarveError):
    """Memory, disk or quota is used up."""

    kind = "resource_exhausted"


class UnknownOutcomeError(VarveError):
    """The write may have landed; look before repeating it."""

    kind = "unknown_outcome"


class UnsupportedError(VarveError):
    """This store, lake or type cannot do that."""

    kind = "unsupported"


class UnstorableError(InvalidError, UnsupportedError):
    """Something in a state has no form without pickle; the message gives its path. Nothing was sent."""


class InternalError(VarveError):
    """A defect in varve."""

    kind = "internal"


class GoneError(VarveError, LookupError):
    """The version was forgotten."""

    kind = "gone"
