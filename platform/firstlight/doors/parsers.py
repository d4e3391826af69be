"""REST framework's door for request bodies."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import APIException, ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser

from firstlight.doors import bodies
from firstlight.doors.refusals import Unprocessable


class BodyTooLarge(APIException):
    status_code = 413


class JSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        encoding = (parser_context or {})["request"].META.get("HTTP_CONTENT_ENCODING", "")
        try:
            return bodies.decoded(bodies.inflated(stream.read(bodies.LIMIT + 1), encoding))
        except bodies.Broken as error:
            raise ParseError(str(error)) from error
        except bodies.TooLarge as error:
            raise BodyTooLarge(str(error)) from error
        except bodies.UnknownEncoding as error:
            raise UnsupportedMediaType(encoding, str(error)) from error
        except bodies.Unstorable as error:
            raise Unprocessable(error.places) from error
