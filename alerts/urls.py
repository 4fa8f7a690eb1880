"""The addresses of the pages of alerts. E-mails link to `alerts/<id>/`: it must not change."""

from django.urls import path

from alerts import rejection_views, unsubscribe_views, views

app_name = "alerts"
urlpatterns = [
    path("alerts/", views.review_next, name="alerts"),
    path("alerts/all/", views.alert_list, name="all"),
    path("alerts/<uuid:alert_id>/", views.alert, name="alert"),
    path("alerts/<uuid:alert_id>/next/", views.next_alert, name="next"),
    path("alerts/<uuid:alert_id>/previous/", views.previous_alert, name="previous"),
    path("alerts/rejections/", rejection_views.rejection_list, name="rejections"),
    path(
        "alerts/rejections/<uuid:rejection_id>/undo/",
        rejection_views.undo_rejection,
        name="rejection-undo",
    ),
    path("unsubscribe/<str:token>/", unsubscribe_views.unsubscribe, name="unsubscribe"),
]
