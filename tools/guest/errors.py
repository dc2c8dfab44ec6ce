# SPDX-License-Identifier: GPL-2.0
"""The one exception whose text is for the user: no traceback, exit code 2."""


class UsageError(Exception):
    """Something asked for does not exist or is not built; says what does."""


def unknown(what: str, name: str, known: list[str]) -> UsageError:
    """An error that lists the names that would have been right."""
    return UsageError(f"unknown {what} '{name}'; known: {', '.join(sorted(known)) or 'none'}")
