"""The reference of `allocate` as a WSGI application.

Of middleware only what tells the length of an answer; a real project has more, and is slower.
"""

import django
from django.core.wsgi import get_wsgi_application
from django.test import override_settings

from firstlight.snapshots import memory

django.setup()
override_settings(ROOT_URLCONF="bench.reference", MIDDLEWARE=["django.middleware.common.CommonMiddleware"]).enable()
application = get_wsgi_application()
memory.watch()
