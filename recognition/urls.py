"""The addresses of the pages of photos. E-mails link to `photos/<id>/`: it must not change."""

from django.urls import path

from recognition import views

app_name = "recognition"
urlpatterns = [
    path("upload/", views.upload, name="upload"),
    path("photos/", views.photo_list, name="photos"),
    path("photos/new/", views.new_photos, name="new-photos"),
    path("photos/<uuid:photo_id>/", views.photo, name="photo"),
    path("photos/<uuid:photo_id>/tile/", views.photo_tile, name="photo-tile"),
    path("photos/<uuid:photo_id>/retry/", views.retry_photo, name="photo-retry"),
    path("photos/<uuid:photo_id>/delete/", views.delete_photo, name="photo-delete"),
]
