from django.db import migrations


class Migration(migrations.Migration):
    """Many decisions in one row: `packed` instead of `payload`, and `n_events` of them.

    The bytes are compressed already. A default that is a constant touches no row; the check reads those of a few days.
    """

    dependencies = [("events", "0001_make_the_inbox")]
    operations = [
        migrations.RunSQL(
            sql="""
                ALTER TABLE events_inbox
                    ALTER COLUMN payload DROP NOT NULL,
                    ADD COLUMN packed bytea,
                    ADD COLUMN n_events integer NOT NULL DEFAULT 1,
                    ADD CONSTRAINT events_inbox_has_one_form CHECK (num_nonnulls(payload, packed) = 1);
                ALTER TABLE events_inbox ALTER COLUMN packed SET STORAGE EXTERNAL;
            """,
            reverse_sql="""
                ALTER TABLE events_inbox
                    DROP CONSTRAINT events_inbox_has_one_form,
                    DROP COLUMN n_events,
                    DROP COLUMN packed,
                    ALTER COLUMN payload SET NOT NULL;
            """,
        )
    ]
