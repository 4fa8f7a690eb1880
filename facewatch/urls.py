"""Every address of the server."""

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path, re_path
from drf_spectacular.views import SpectacularAPIView

from facewatch import health, problems, views
from facewatch.metrics import MetricsView
from facewatch.schema import DocsView

urlpatterns = [
    path("", views.home, name="home"),
    path("changes/", views.changes, name="changes"),
    path("login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("facewatch.api_urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", DocsView.as_view(), name="docs"),
    re_path("^api/", problems.not_found),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("", include("recognition.urls")),
    path("", include("alerts.urls")),
    path("", include("ledger.urls")),
]

handler400 = "facewatch.problems.bad_request"
handler500 = "facewatch.problems.server_error"
