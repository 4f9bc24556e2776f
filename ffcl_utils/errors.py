"""What every error is that the user can put right."""


class UserError(Exception):
    """Something is wrong that the message says how to put right; the command line prints it."""
