"""VMs are recorded with the tags they were made with. Rows stay as they are: of older VMs none are known."""

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No table changes; a record without tags is read as one of which none are known."""
