"""The exceptions that cross a module's edge; `rpc` turns each into one gRPC status code."""


class VoxloomError(Exception):
    """Something a user can act on: the message says what was found, what was expected and what to do next."""


class BadInput(VoxloomError):
    """What was sent cannot be used (INVALID_ARGUMENT)."""


class NewerSchema(BadInput):
    """What is stored was written by a newer release: this one leaves it alone and cannot work with it."""


class NotFound(VoxloomError):
    """The named thing does not exist (NOT_FOUND)."""


class Conflict(VoxloomError):
    """A conditional write lost its race (ABORTED)."""


class NotReady(VoxloomError):
    """The state does not allow it yet or any more (FAILED_PRECONDITION)."""


class Exhausted(VoxloomError):
    """A limit or a queue is full (RESOURCE_EXHAUSTED)."""


class Unauthenticated(VoxloomError):
    """The call came without a key, or with one that opens nothing here (UNAUTHENTICATED)."""


class Forbidden(VoxloomError):
    """Whoever calls may not do this (PERMISSION_DENIED)."""


class Unavailable(VoxloomError):
    """A store, broker or model cannot be reached now; try again later (UNAVAILABLE)."""
