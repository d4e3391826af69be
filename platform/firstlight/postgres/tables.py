"""Tables that only grow, kept so by the database itself."""

from django.db import migrations


def append_only(table: str) -> migrations.RunSQL:
    """A migration step after which rows of `table` can be added but neither changed nor deleted.

    TRUNCATE stays possible to the table's owner: tests need it, and an owner can drop the trigger anyway.
    """
    return migrations.RunSQL(
        sql=f"""
            CREATE OR REPLACE FUNCTION firstlight_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
            END $$;
            CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}
                FOR EACH ROW EXECUTE FUNCTION firstlight_append_only();
        """,
        reverse_sql=f"DROP TRIGGER append_only ON {table};",
    )


def fixed_once(table: str, condition: str, columns: tuple[str, ...]) -> migrations.RunSQL:
    """A migration step after which these columns of a row keep their values as soon as its `condition` holds.

    `condition` is SQL about the row as it was, OLD: "OLD.started_at IS NOT NULL".
    """
    old, new = (", ".join(f"{row}.{column}" for column in columns) for row in ("OLD", "NEW"))
    return migrations.RunSQL(
        sql=f"""
            CREATE OR REPLACE FUNCTION firstlight_fixed_once() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'what is fixed in % cannot change', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
            END $$;
            CREATE TRIGGER fixed_once BEFORE UPDATE ON {table} FOR EACH ROW
                WHEN ({condition} AND ({old}) IS DISTINCT FROM ({new})) EXECUTE FUNCTION firstlight_fixed_once();
        """,
        reverse_sql=f"DROP TRIGGER fixed_once ON {table};",
    )
