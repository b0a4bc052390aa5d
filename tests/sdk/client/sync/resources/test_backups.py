# Made from tests/sdk/client/resources/test_backups.py by scripts/unasync.py: change that file and run it.
"""The release of a restored server as the client asks for it."""

from datetime import UTC, datetime

from tests.support.door import Asked, Door, sync_orb

RELEASED = {
    "paused_at": "2026-03-15T12:00:00Z",
    "backup_created_at": "2026-03-15T01:00:00Z",
    "position": 7,
}


def test_a_restored_server_is_released(door: Door) -> None:
    """With the numbers to go on at, or without any."""
    for _ in range(2):
        door.tell(RELEASED)
    with sync_orb(door) as orb:
        released = orb.backups.release()
        orb.backups.release(next_invoice_number=120, next_invoice_numbers_of_agents={"bot": 14})
    assert (released.paused_at, released.position) == (datetime(2026, 3, 15, 12, tzinfo=UTC), 7)
    assert door.asked == [
        Asked("POST", "/v1/backup/release", (), {}),
        Asked(
            "POST",
            "/v1/backup/release",
            (),
            {"next_invoice_number": 120, "next_invoice_numbers_of_agents": {"bot": 14}},
        ),
    ]
