"""The admin site: the place where staff manage known faces."""

from django.contrib.admin import AdminSite
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _


class FacewatchAdminSite(AdminSite):
    site_title = site_header = "Facewatch"
    index_title = _("Known faces, alerts and who hears of them")


class FacewatchAdminConfig(AdminConfig):
    default_site = "facewatch.admin.FacewatchAdminSite"
