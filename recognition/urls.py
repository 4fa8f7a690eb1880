"""The addresses of the pages of photos and people. E-mails link to `photos/<id>/`: it must not change."""

from django.urls import path

from recognition import identity_views, lookback_views, people_views, photo_views, views

app_name = "recognition"
urlpatterns = [
    path("upload/", views.upload, name="upload"),
    path("photos/", photo_views.photo_list, name="photos"),
    path("photos/news/", photo_views.photo_news, name="photos-news"),
    path("photos/<uuid:photo_id>/", photo_views.photo, name="photo"),
    path("photos/<uuid:photo_id>/tile/", photo_views.photo_tile, name="photo-tile"),
    path("photos/<uuid:photo_id>/retry/", photo_views.retry_photo, name="photo-retry"),
    path("photos/<uuid:photo_id>/delete/", photo_views.delete_photo, name="photo-delete"),
    path("people/", people_views.people_list, name="people"),
    path("people/add/", people_views.add_person, name="person-add"),
    path("people/<uuid:person_id>/", people_views.person, name="person"),
    path("people/<uuid:person_id>/edit/", people_views.edit_person, name="person-edit"),
    path("people/<uuid:person_id>/delete/", people_views.delete_person, name="person-delete"),
    path("people/<uuid:person_id>/photos/", people_views.enrol, name="person-enrol"),
    path(
        "people/<uuid:person_id>/photos/<uuid:photo_id>/retry/",
        people_views.retry_enrolment,
        name="enrolment-retry",
    ),
    path(
        "people/<uuid:person_id>/photos/<uuid:photo_id>/remove/",
        people_views.remove_enrolment,
        name="enrolment-remove",
    ),
    path(
        "people/<uuid:person_id>/faces/<uuid:face_id>/forget/",
        people_views.forget_face,
        name="face-forget",
    ),
    path(
        "people/<uuid:person_id>/look-back/",
        lookback_views.person_look_back,
        name="person-look-back",
    ),
    path("people/look-backs/<uuid:look_id>/stop/", lookback_views.stop, name="look-back-stop"),
    path("people/<uuid:person_id>/merge/", identity_views.merge, name="person-merge"),
    path("people/merges/<uuid:merge_id>/undo/", identity_views.undo_merge, name="merge-undo"),
    path("people/faces/<uuid:face_id>/", identity_views.this_is, name="this-is"),
    path("people/faces/<uuid:face_id>/undo/", identity_views.not_this, name="not-this"),
]
