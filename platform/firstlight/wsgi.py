"""The WSGI application."""

import os
import sys
from pathlib import Path

sys.path[:0] = [p for p in (str(Path(__file__).parents[2]),) if p not in sys.path]  # experiments and bandits
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "firstlight.settings")

from django.core.wsgi import get_wsgi_application  # noqa: E402

application = get_wsgi_application()
