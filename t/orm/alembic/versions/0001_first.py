"""The first tables."""
import sqlalchemy as sa
from alembic import op

from sqlalchemy_app import GUID, Tags, metadata

revision = "0001"
down_revision = None


def upgrade():
    bind = op.get_bind()
    metadata.tables["account"].create(bind)
    metadata.tables["team"].create(bind)
    metadata.tables["membership"].create(bind)
    # as Alembic writes a key of a cycle: with a name, in a batch where ALTER cannot
    with op.batch_alter_table("account") as batch:
        batch.create_foreign_key("fk_account_team", "team", ["team_id"], ["id"])


def downgrade():
    raise NotImplementedError
