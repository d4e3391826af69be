from django.db import migrations


class Migration(migrations.Migration):
    """No model stands for it: rows come and go by COPY, and Django knows no partitions.

    `day` is the day of receipt, which bounds the index that every insert searches, and lets a day go in one step.
    `xact` names the transaction that brought a row; the flush reads by it. Both indexes stay small: one `xact` is shared
    by all rows of a call, and a B-tree keeps equal keys once.
    """

    initial = True
    dependencies = []
    operations = [
        migrations.RunSQL(
            sql="""
                CREATE TABLE events_inbox (
                    event_id uuid NOT NULL,
                    day date NOT NULL,
                    xact xid8 NOT NULL DEFAULT pg_current_xact_id(),
                    payload text NOT NULL,
                    PRIMARY KEY (event_id, day)
                ) PARTITION BY RANGE (day);
                CREATE INDEX events_inbox_xact ON events_inbox (xact);
            """,
            reverse_sql="DROP TABLE events_inbox;",
        )
    ]
