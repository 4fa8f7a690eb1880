"""The addresses of the page of the queue, of its parts, and of what is done there."""

from django.urls import path

from ledger import views

app_name = "ledger"
urlpatterns = [
    path("queue/", views.queue, name="queue"),
    path("queue/now/", views.now, name="queue-now"),
    path("queue/controls/", views.controls_part, name="queue-controls"),
    path("queue/failures/", views.failures_part, name="queue-failures"),
    path("queue/history/", views.history_part, name="queue-history"),
    path("queue/pause/", views.pause, name="pause"),
    path("queue/retry/", views.retry, name="retry"),
]
