"""Plans may reboot VMs, and tasks repair instances. Rows stay as they are."""

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No table changes; the number keeps an older director from reading what it would not understand."""
