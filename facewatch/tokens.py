"""Tokens by name and password, for programs that cannot run `manage.py token`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib.auth import authenticate
from drf_spectacular.utils import extend_schema
from knox.models import AuthToken
from rest_framework import serializers, status
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle, SimpleRateThrottle
from rest_framework.views import APIView

#: How long a token that was got by password is valid.
LIFETIME = timedelta(days=30)


class NoToken(APIException):
    """A session cannot be revoked as if it were a token."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "no_token"
    default_detail = "You are signed in by a session. Send the token that is to be revoked."


class LoginThrottle(SimpleRateThrottle):
    """Five tries a minute from one address: passwords are not guessed here."""

    rate = "5/min"

    def get_cache_key(self, request: Request, view: APIView) -> str:
        return f"login-{self.get_ident(request)}"


class CredentialsSerializer(serializers.Serializer[Any]):
    """A user's name and password."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(
        max_length=1000, trim_whitespace=False, write_only=True, style={"input_type": "password"}
    )


class TokenSerializer(serializers.Serializer[Any]):
    """A token, shown this once: only its digest is kept."""

    token = serializers.CharField()
    expiry = serializers.DateTimeField(allow_null=True)


class TokenView(APIView):
    """A token for a password; and the end of a token."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"delete": ()}

    def get_authenticators(self) -> list[BaseAuthentication]:
        # Who asks for a token has none yet, and a session must not be usable for it from another site.
        # There is no request while the description is generated.
        if getattr(self.request, "method", "") == "POST":
            return []
        return super().get_authenticators()

    def get_permissions(self) -> Any:
        return [] if self.request.method == "POST" else super().get_permissions()

    def get_throttles(self) -> list[BaseThrottle]:
        return [LoginThrottle()] if self.request.method == "POST" else []

    def get_authenticate_header(self, request: Request) -> str:
        return "Token"

    @extend_schema(
        operation_id="token_create",
        auth=[],
        request=CredentialsSerializer,
        responses=TokenSerializer,
        extensions={"x-problems": {401: "authentication_failed", 429: "throttled"}},
    )
    def post(self, request: Request) -> Response:
        """Get a token by name and password, valid for 30 days."""
        form = CredentialsSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        user = authenticate(request._request, **form.validated_data)  # noqa: SLF001 (axes of back ends take Django's)
        if user is None:
            raise AuthenticationFailed(
                "The name or the password is wrong, or the user is inactive."
            )
        token, text = AuthToken.objects.create(user=user, expiry=LIFETIME)
        return Response({"token": text, "expiry": token.expiry})

    @extend_schema(
        operation_id="token_destroy",
        responses={204: None},
        extensions={"x-problems": {409: "no_token"}},
    )
    def delete(self, request: Request) -> Response:
        """Revoke the token that this request carries."""
        if not isinstance(request.auth, AuthToken):
            raise NoToken
        request.auth.delete()
        return Response(status=status.HTTP_204_NO_CONTENT)
