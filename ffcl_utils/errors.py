"""Errors that the user can put right."""


class UserError(Exception):
    """Something is wrong that the message says how to put right; the command line prints it."""

    def __str__(self) -> str:
        """The message in one line, whatever names of the reader's stand in it."""
        return "\\n".join(super().__str__().splitlines())


class NotebookError(UserError):
    """A notebook cannot run, or not to its end; the message names notebook, cell and error."""
