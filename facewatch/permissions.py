"""Who may do what: the roles' model permissions, applied to every call of the API."""

from collections.abc import Mapping
from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

#: What a call does to the view's model, by method.
VERBS = {
    "GET": "view",
    "HEAD": "view",
    "POST": "add",
    "PUT": "change",
    "PATCH": "change",
    "DELETE": "delete",
}


class ModelPermissions(BasePermission):
    """Lets signed-in users do what their permissions say.

    A call needs the permission on the view's model that goes with its method. A view may name others in `needs`: a
    mapping of action (of a view set) or method in lower case to permissions; none of them means that being signed in
    is enough.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        return user.is_authenticated and user.has_perms(needed(request, view))


def needed(request: Request, view: Any) -> tuple[str, ...]:
    """Return the permissions that a call needs; none for a method that the view does not know: it answers 405."""
    needs: Mapping[str, tuple[str, ...]] = getattr(view, "needs", {})
    method = (request.method or "").lower()
    # Who may not read an answer may not learn how long it is either.
    action = getattr(view, "action", "get" if method == "head" else method)
    if action in needs:
        return needs[action]
    queryset = getattr(view, "queryset", None)
    verb = VERBS.get(request.method or "")
    if action is None or queryset is None or verb is None:
        return ()
    options = queryset.model._meta
    return (f"{options.app_label}.{verb}_{options.model_name}",)
