"""The browser's part of the charts, served by ourselves: Vega, Vega-Lite and Vega-Embed in one script.

vl-convert carries it, so nothing is fetched and nothing so large is committed. Its address names its version, so
browsers keep it for ever.
"""

import gzip
from functools import cache

import vl_convert
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

VERSION = f"{vl_convert.get_vega_version()}-{vl_convert.get_vega_embed_version()}"


def bundle(request: HttpRequest) -> HttpResponse:
    packed = "gzip" in request.headers.get("Accept-Encoding", "")
    answer = HttpResponse(_script(packed=packed), content_type="text/javascript; charset=utf-8")
    answer["Cache-Control"] = "public, max-age=31536000, immutable"
    if packed:
        answer["Content-Encoding"] = "gzip"
    patch_vary_headers(answer, ["Accept-Encoding"])
    return answer


@cache
def _script(*, packed: bool) -> bytes:
    """Made once per process: bundling takes a second."""
    if packed:
        return gzip.compress(_script(packed=False), 6)
    return str(vl_convert.javascript_bundle()).encode()  # type: ignore[call-arg]  # its stub forgets the default
