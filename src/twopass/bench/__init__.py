"""The benchmark: what is raced (`cases`, `peers`, `run`), how (`timing`), and what is shown of it.

`command` is the face of ``twopass bench``; it needs the packages of the ``bench`` extra, as do
`report` and `plot`. The other modules need NumPy alone.
"""


class UsageError(Exception):
    """What was asked for cannot be done; the text names the value and says what to do."""
