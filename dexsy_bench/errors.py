"""The one family of errors whose message is all that a user needs: the command line prints it alone."""


class UserError(Exception):
    """Something the user can mend; the message is one sentence that says how."""
