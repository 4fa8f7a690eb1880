"""The roles of users: groups with permissions, made when they are missing."""

from django.contrib.auth.models import Group, Permission

#: What each role may do, as app_label.codename. A user without `recognition.view_photo` sees their own photos only.
ROLES: dict[str, tuple[str, ...]] = {
    "uploader": ("recognition.add_photo",),
    "operator": (
        "recognition.add_photo",
        "recognition.view_photo",
        "recognition.change_photo",
        "recognition.view_person",
        "recognition.view_face",
        "recognition.add_search",
        "alerts.view_watchlist",
        "alerts.view_subscription",
        "alerts.view_alert",
        "alerts.change_alert",
        "alerts.view_delivery",
        "alerts.view_digest",
        "ledger.view_worker",
    ),
    "manager": (
        *(
            f"recognition.{verb}_{model}"
            for model in ("photo", "person")
            for verb in ("add", "view", "change", "delete")
        ),
        "recognition.view_batch",
        "recognition.view_face",
        "recognition.view_knownface",
        "recognition.add_knownface",
        "recognition.delete_knownface",
        "recognition.view_sighting",
        "recognition.add_search",
        *(
            f"alerts.{verb}_{model}"
            for model in ("watchlist", "subscription")
            for verb in ("add", "view", "change", "delete")
        ),
        "alerts.view_alert",
        "alerts.change_alert",
        "alerts.view_delivery",
        "alerts.change_delivery",
        "alerts.view_digest",
        "alerts.change_digest",
        "ledger.view_worker",
        "ledger.change_pause",
    ),
}


def ensure_roles() -> None:
    """Make the groups of all roles with exactly their permissions; needs the migrations to have run."""
    known = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    for role, codenames in ROLES.items():
        group, _ = Group.objects.get_or_create(name=role)
        group.permissions.set([known[codename] for codename in codenames])
