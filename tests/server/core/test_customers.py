"""How a customer is called."""

from orbdo_server.core.customers import CustomerRef
from tests.support.billing import CUSTOMER


def test_events_may_use_either_name_of_a_customer() -> None:
    """A reading of the log is told both ids."""
    assert CUSTOMER.ref == CustomerRef(id="cus_ada", external_customer_id="ada")
