"""What the package raises where none of Python's own errors says it."""


class UnknownNameError(ValueError, LookupError):
    """A name that names nothing."""


class MissingWeightsError(LookupError):
    """A name of the zoo whose weights are not on this machine."""


class ExportError(RuntimeError):
    """An export that cannot be made here, or whose file did not pass its checks and was not kept."""
