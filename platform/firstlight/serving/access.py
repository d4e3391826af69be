"""Who may ask: the key of a request, checked against the snapshot."""

from firstlight.accounts import keys
from firstlight.serving import limits
from firstlight.serving.wire import Environ, Refusal
from firstlight.snapshots import memory


def snapshot() -> memory.Held:
    """What is held, unless requests wait too long already."""
    limits.shed()
    try:
        return memory.current()
    except memory.NoSnapshot as error:
        raise Refusal(503, "No snapshot has been loaded yet.", headers=(("Retry-After", "1"),)) from error


def admit(environ: Environ, held: memory.Held, scope: str) -> keys.HeldKey:
    """The key of the request, which has `scope` and asks no more often than it may; else refused."""
    key = keys.verify(held.state("keys"), environ.get("HTTP_AUTHORIZATION"))
    if key is None:
        challenge = (("WWW-Authenticate", 'Bearer realm="firstlight"'),)
        raise Refusal(401, "Send a valid key: “Authorization: Bearer fl_<id>_<secret>”.", headers=challenge)
    if scope not in key.scopes:
        raise Refusal(403, f"The key lacks the scope “{scope}”.")
    limits.admit(key)
    return key
