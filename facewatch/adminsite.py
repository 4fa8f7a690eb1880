"""The admin site: the place where staff manage known faces."""

from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

#: The order of apps, and of their models, by how often staff needs them. What is not named comes last.
ORDER = {
    "recognition": ("Person", "Photo", "KnownFace"),
    "alerts": ("Alert", "WatchList", "Subscription", "Delivery", "Digest"),
    "ledger": ("Worker",),
    "auth": ("User", "Group"),
    "knox": ("AuthToken",),
}


class FacewatchAdminSite(AdminSite):
    """Django's admin with the apps in the order of the work."""

    site_title = site_header = "Facewatch"
    index_title = _("Known faces, alerts and who hears of them")

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        apps = super().get_app_list(request, app_label)
        for app in apps:
            names = ORDER.get(app["app_label"], ())
            app["models"].sort(key=lambda model: _place(model["object_name"], names))
        return sorted(apps, key=lambda app: _place(app["app_label"], tuple(ORDER)))


class FacewatchAdminConfig(AdminConfig):
    """Registers that site as the admin."""

    default_site = "facewatch.adminsite.FacewatchAdminSite"


def _place(name: str, order: tuple[str, ...]) -> int:
    return order.index(name) if name in order else len(order)
