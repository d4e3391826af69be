"""The WSGI application: the hot paths in front, Django behind."""

import os
import sys
from pathlib import Path

sys.path[:0] = [p for p in (str(Path(__file__).parents[2]),) if p not in sys.path]  # experiments and bandits
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "firstlight.settings")

from django.conf import settings  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402

from firstlight.serving import siblings  # noqa: E402

siblings.share_meters(settings.VAR_DIR)
_django = get_wsgi_application()  # before what follows: it imports models

from firstlight.serving import journal  # noqa: E402
from firstlight.serving.dispatcher import Dispatcher  # noqa: E402
from firstlight.snapshots import memory  # noqa: E402

memory.watch()
journal.opened()
application = Dispatcher(_django)
