"""The WSGI application: the hot paths in front, Django behind."""

import gc
import os
import sys
from pathlib import Path

gc.disable()  # until all is loaded: to look through what only grows was half the time to take over a large snapshot
sys.path[:0] = [p for p in (str(Path(__file__).parents[2]),) if p not in sys.path]  # experiments and bandits
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "firstlight.settings")

from django.conf import settings  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402

import firstlight.celery  # noqa: E402, F401 - the application by which pages and API send tasks
from firstlight.serving import siblings  # noqa: E402

siblings.share_meters(settings.VAR_DIR)
_django = get_wsgi_application()  # before what follows: it imports models

from firstlight.serving import cores, journal, pulse  # noqa: E402
from firstlight.serving.dispatcher import Dispatcher  # noqa: E402
from firstlight.snapshots import memory  # noqa: E402

memory.watch()
journal.opened()
pulse.start()
cores.start(settings.WEB_CORES)
# What is loaded by now stays: the collector need not look through it again and again (a tenth of a request's time).
gc.collect()
gc.freeze()
gc.enable()
# The journal's thread encodes in bursts; with Python's 5 ms it keeps requests waiting as long (p99 20 ms, so 14).
sys.setswitchinterval(0.001)
application = Dispatcher(_django)
