"""Ada and what she is subscribed to, as rows of a control plane."""

from orbdo_server.core.plans import Price
from orbdo_server.core.subscriptions import Subscription
from orbdo_server.engine.transaction import Transaction
from orbdo_server.storage import customers, items, metrics, prices, subscriptions
from tests.support.billing import CUSTOMER, ITEM, METRIC


def enroll(transaction: Transaction, agreed: Subscription, *priced: Price) -> None:
    """Keep Ada, her subscription and its prices, with the one item and metric they are about."""
    connection = transaction.connection
    customers.insert(connection, CUSTOMER)
    items.insert(connection, ITEM)
    metrics.insert(connection, METRIC)
    for price in priced:
        prices.insert(connection, price)
    subscriptions.insert(connection, agreed)
