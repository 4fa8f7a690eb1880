from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class LedgerConfig(AppConfig):
    name = "ledger"
    verbose_name = "Queue"

    def ready(self) -> None:
        # Each app's work.py says which rows it has to work on.
        autodiscover_modules("work")
