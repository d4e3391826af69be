# One image for web, worker, beat and migrations: the command decides. docker-compose.yml shows how they stand together.
FROM python:3.11-slim

ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONPATH=/app/platform:/app \
    DJANGO_SETTINGS_MODULE=firstlight.settings \
    VAR_DIR=/app/var

WORKDIR /app

COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt -c constraints.txt

COPY manage.py ./
COPY platform platform
COPY experiments experiments
COPY bandits bandits

# The secret serves this one command only and goes with it. The lake and the embedded default live in var.
RUN SECRET_KEY="$(python -c 'import secrets; print(secrets.token_urlsafe(50))')" python manage.py collectstatic --noinput \
    && useradd --system --uid 10001 --no-create-home firstlight \
    && mkdir -p var/lake \
    && chown -R firstlight var
USER firstlight
VOLUME /app/var/lake

EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]

CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "48", "--backpressure", "900", "--backlog", "2048", "--http1-header-read-timeout", "15000", "--respawn-failed-workers", "--workers-kill-timeout", "30", "--respawn-interval", "20", "firstlight.wsgi:application"]
