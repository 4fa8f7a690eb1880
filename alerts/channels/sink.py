"""Alerts to nowhere: the end of the canary's way, which shows that everything before it works."""

from alerts.channels import Notice


class Sink:
    """The channel: that the row is `sent` is all that comes of it."""

    def open(self, notice: Notice) -> None:
        """Do nothing."""

    def send(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
