"""VMs, disks and steps name their CPI and their placement. Rows stay as they are: what they lack takes its default."""

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No table changes; the number keeps an older director from reading what it would not understand."""
