"""manage.py worker: take work from the queue."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.module_loading import import_string

from ledger import consumer


class Command(BaseCommand):
    help = "Run worker processes that detect and recognise faces and send what is to be sent, until SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--workers",
            type=int,
            default=settings.WORKERS,
            help="Processes, one processor each (default: %(default)s).",
        )

    def handle(self, *, workers: int, **_: Any) -> None:
        load = import_string(settings.WORKER_LOADS)
        try:
            consumer.run(workers_count=workers, engine=settings.ENGINE, load=load)
        except consumer.CannotLoad as error:
            raise CommandError(str(error), returncode=3) from error
