"""What a campaign believes, does and is worth, in the sections of its page. Pure: values as they were stored go in."""

from bandits.page.beliefs import LISTED, OTHERS, Belief, Row, figures, pictures, sentence, table, table_rows

__all__ = ["LISTED", "OTHERS", "Belief", "Row", "figures", "pictures", "sentence", "table", "table_rows"]
