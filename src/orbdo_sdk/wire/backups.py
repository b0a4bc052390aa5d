"""What a server that was restored from a backup says when it may send again."""

from datetime import datetime

from orbdo_sdk.wire._envelope import Wire


class SendsReleased(Wire, frozen=True, kw_only=True):
    """Nothing was sent since ``paused_at``, when the server was restored from a backup of the log at ``position``."""

    paused_at: datetime
    backup_created_at: datetime
    position: int
