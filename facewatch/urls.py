"""Every address of the server."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("recognition.urls")),
    path("", include("alerts.urls")),
]
