"""What pages follow of alerts, as short texts that change when what is shown changes."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Count, Max

from alerts.browsing import open_alerts
from alerts.models import Alert
from ledger.live import GONE


def alerts(user: Any, keys: Iterable[str]) -> Mapping[str, str]:
    """Return the version of each of these alerts: it counts the verdicts; one query."""
    wanted = list(keys)
    if not user.has_perm("alerts.view_alert"):
        return dict.fromkeys(wanted, GONE)
    found = Alert.objects.filter(pk__in=wanted).values_list("pk", "version")
    versions = {str(key): str(version) for key, version in found}
    return {key: versions.get(key, GONE) for key in wanted}


def waiting(user: Any) -> str:
    """Return the version of the list of open alerts: how many there are, and when the newest was raised; one query."""
    if not user.has_perm("alerts.view_alert"):
        return GONE
    found = open_alerts().aggregate(count=Count("pk"), newest=Max("created_at"))
    newest = found["newest"].isoformat() if found["newest"] else ""
    return f"{found['count']}:{newest}"
