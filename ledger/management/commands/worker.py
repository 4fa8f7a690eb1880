"""manage.py worker: take work from the queue."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.module_loading import import_string

from ledger import consumer, queues


class Command(BaseCommand):
    help = "Run worker processes that detect and recognise faces and send what is to be sent, until SIGTERM."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--workers",
            type=int,
            default=settings.WORKERS,
            help="Processes, one processor each (default: %(default)s).",
        )

        parser.add_argument(
            "--queues",
            default=",".join(queues.NAMES),
            metavar="NAMES",
            help="Kinds of work to take, with commas between them (default: %(default)s).",
        )

    def handle(self, *, workers: int, queues: str, **_: Any) -> None:
        load = import_string(settings.WORKER_LOADS)
        names = [name.strip() for name in queues.split(",") if name.strip()]
        try:
            consumer.run(workers_count=workers, engine=settings.ENGINE, load=load, names=names)
        except ValueError as error:
            raise CommandError(str(error)) from error
        except consumer.CannotLoad as error:
            raise CommandError(str(error), returncode=3) from error
