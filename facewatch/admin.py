"""The admin of API tokens: whose there are, and taking them away."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from knox.models import AuthToken

from recognition.admin import removal

admin.site.unregister(AuthToken)


@admin.register(AuthToken)
class TokenAdmin(admin.ModelAdmin):
    """Tokens by their first characters: never with the digest, which is all that is stored of the rest."""

    list_display = ("token_key", "user", "created", "expiry")
    list_display_links = None
    list_select_related = ("user",)
    list_filter = ("created",)
    search_fields = ("token_key", "user__username")
    fields = readonly_fields = ("token_key", "user", "created", "expiry")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow it to nobody: a token is shown once, to who asks for it by API or `manage.py token`."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow it to nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow the list's action alone: the page that asks about one object would show its digest."""
        return obj is None and super().has_delete_permission(request)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        counts = {str(self.opts.verbose_name_plural): len(objs)}
        return [f"{token.token_key}…, {token.user}" for token in objs], counts, set(), []

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[AuthToken]") -> None:
        removal.forget_names(queryset)
        super().delete_queryset(request, queryset)
