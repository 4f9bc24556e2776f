"""Errors that the user can put right."""


class UserError(Exception):
    """Something is wrong that the message says how to put right; the command line prints it."""


class NotebookError(UserError):
    """A notebook cannot run, or not to its end; the message names notebook, cell and error."""
