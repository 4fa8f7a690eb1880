"""Taking an installation elsewhere: into a folder and back (the backup), and into another database."""


class MovingError(Exception):
    """It cannot be done; the text is one line that says why and what to do."""
