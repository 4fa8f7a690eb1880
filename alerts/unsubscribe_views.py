"""The page that ends a subscription, for whoever has the message: no sign-in, one click (RFC 8058)."""

from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from alerts import unsubscribing


# Mail programs post without a cookie; the signature says who asks.
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether the subscriptions by which a message came shall end; a POST ends them, and again changes nothing.

    Looking at it ends none: programs that check the links of a mail must not unsubscribe anybody.
    """
    try:
        subscriptions = unsubscribing.subscriptions_of(token)
    except signing.BadSignature as error:
        raise Http404 from error
    if request.method == "POST":
        unsubscribing.leave(subscriptions)
        return render(request, "alerts/unsubscribe.html", {"left": True})
    active = subscriptions.filter(is_active=True)
    names = active.order_by("watchlist__name").values_list("watchlist__name", flat=True)
    return render(request, "alerts/unsubscribe.html", {"names": names})
