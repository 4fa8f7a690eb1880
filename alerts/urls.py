"""The addresses of the pages of alerts. E-mails link to `alerts/<id>/`: it must not change."""

from django.urls import path

from alerts import views

app_name = "alerts"
urlpatterns = [
    path("alerts/", views.alert_list, name="alerts"),
    path("alerts/<uuid:alert_id>/", views.alert, name="alert"),
]
